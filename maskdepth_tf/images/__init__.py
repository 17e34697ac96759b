"""Pictures: what may be decoded, the one decoder, folders and archives of them."""
