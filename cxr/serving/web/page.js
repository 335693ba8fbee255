limits => {
    const answer = document.getElementById("answer");
    answer.setAttribute("role", "status");
    answer.setAttribute("aria-live", "polite");
    answer.setAttribute("aria-label", "Answer");

    answer.addEventListener("input", event => {
        const slider = event.target.closest(".opacity input");
        if (slider) slider.closest("figure").style.setProperty("--heat", slider.value);
    });

    // A heatmap that was not found right on patients is shown only when it is asked for.
    answer.addEventListener("click", event => {
        const button = event.target.closest(".show-map");
        if (!button) return;
        const shown = button.closest("figure").classList.toggle("map-shown");
        button.setAttribute("aria-expanded", shown);
        button.textContent = shown ? "Hide the map" : "Show the map anyway";
    });

    // While a table grows, uploads and examples are disabled: its next row would overwrite a second answer.
    const table = document.getElementById("table");
    const inputs = ["upload", "examples"].map(id => document.getElementById(id));
    const disableWhileGrowing = () => inputs.forEach(part => part.inert = Boolean(table.querySelector(".growing")));
    new MutationObserver(disableWhileGrowing).observe(table, {childList: true, subtree: true});

    // A file that is too large for the server is not sent: a mark in its place gets it a line like any other bad file.
    const mark = file => new File([limits.mark], file.name);
    const tooLarge = file => file.size > limits.bytes;
    const needsChange = files => files.length > limits.files || files.some(tooLarge);
    const input = () => document.querySelector("#upload:not([inert]) input[type=file]");

    const withinLimits = files => {
        const transfer = new DataTransfer();
        files.slice(0, limits.files + 1).forEach(file => transfer.items.add(tooLarge(file) ? mark(file) : file));
        return transfer.files;
    };
    const upload = files => {
        input().files = withinLimits(files);
        input().dispatchEvent(new Event("change", {bubbles: true}));
    };

    document.addEventListener("change", event => {
        if (event.target !== input()) return;
        const files = [...event.target.files];
        if (needsChange(files)) event.target.files = withinLimits(files);
    }, true);
    document.addEventListener("drop", event => {
        const files = [...event.dataTransfer.files];
        if (!files.length || !input() || !event.target.closest("#upload") || !needsChange(files)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        upload(files);
    }, true);
    document.addEventListener("paste", event => {
        const files = [...event.clipboardData.files];
        if (!files.length || !input()) return;
        event.preventDefault();
        upload(files);
    });
}
