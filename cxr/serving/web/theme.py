"""How the pages look: a quiet theme with the system's own fonts, so that no page asks another host for one."""

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).with_name("style.css")

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Slate on white or near-black, one accent; light and dark follow the visitor's system."""
    return gr.themes.Base(
        primary_hue="cyan", secondary_hue="slate", neutral_hue="slate", radius_size="lg", font=_SANS, font_mono=_MONO
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_shadow="none",
    )
