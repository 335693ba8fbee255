"""What keeps the app and its visitors safe: limits, headers, uploads, and what is replaced inside gradio."""
