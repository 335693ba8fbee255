() => {
    // Every visible text with too little contrast (WCAG 2.2, AA): [text, ratio, colour, background].
    const parse = colour => {
        const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
        return {rgb: [r, g, b], a};
    };
    const over = (top, below) => top.rgb.map((value, i) => value * top.a + below[i] * (1 - top.a));
    const background = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const light = rgb => {
        const [r, g, b] = rgb.map(value => value / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = [];
    const judge = (text, element, style) => {
        const ground = background(element);
        const ink = over(parse(style.color), ground);
        const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
        const ratio = (high + 0.05) / (low + 0.05);
        const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
        const wanted = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
        if (ratio < wanted) found.push([text, ratio.toFixed(2), style.color, ground.map(Math.round).join(",")]);
        return ratio;
    };
    let seen = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement, text = node.textContent.trim();
        if (!text || ["SCRIPT", "STYLE"].includes(element.tagName) || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        if (parseFloat(style.fontSize) < 1) continue;
        judge(text, element, style);
        seen += 1;
    }
    for (const element of document.querySelectorAll("[data-testid=upload-text]")) {
        judge("::after", element, getComputedStyle(element, "::after"));
    }
    return {found, seen};
}
