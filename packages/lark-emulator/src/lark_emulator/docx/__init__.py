"""Documents (docx): create, read and edit their blocks, and make blocks of Markdown and HTML."""
