limits => {
    const answer = document.getElementById("answer");
    answer.setAttribute("role", "status");
    answer.setAttribute("aria-live", "polite");
    answer.setAttribute("aria-label", "Answer");

    // While a table grows there is nothing to upload to: a second answer would be written over by its next row.
    const table = document.getElementById("table");
    const asking = ["upload", "examples"].map(id => document.getElementById(id));
    const rest = () => asking.forEach(part => part.inert = Boolean(table.querySelector(".growing")));
    new MutationObserver(rest).observe(table, {childList: true, subtree: true});

    // What is too large for the server is not sent: a note in its place gets it a line of its own, like any bad file.
    const note = file => new File([limits.mark], file.name);
    const tooLarge = file => file.size > limits.bytes;
    const tooMuch = files => files.length > limits.files || files.some(tooLarge);
    const input = () => document.querySelector("#upload:not([inert]) input[type=file]");

    const asGiven = files => {
        const given = new DataTransfer();
        files.slice(0, limits.files + 1).forEach(file => given.items.add(tooLarge(file) ? note(file) : file));
        return given.files;
    };
    const give = files => {
        input().files = asGiven(files);
        input().dispatchEvent(new Event("change", {bubbles: true}));
    };

    document.addEventListener("change", event => {
        if (event.target !== input()) return;
        const files = [...event.target.files];
        if (tooMuch(files)) event.target.files = asGiven(files);
    }, true);
    document.addEventListener("drop", event => {
        const files = [...event.dataTransfer.files];
        if (!files.length || !input() || !event.target.closest("#upload") || !tooMuch(files)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        give(files);
    }, true);
    document.addEventListener("paste", event => {
        const files = [...event.clipboardData.files];
        if (!files.length || !input()) return;
        event.preventDefault();
        give(files);
    });
}
