"""Zip archives, also those whose directory lies."""

import zipfile


def make(path, *members, method=None):
    """Writes an archive.

    Args:
        path: Where to.
        members: Of each its name, bytes and, optionally, what the directory states
            untruly, by the names of `zipfile.ZipInfo`.
        method: How the bytes are really packed; deflated if None.

    Returns:
        The path.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, *lies in members:
            archive.writestr(name, data, method)
            for key, value in lies[0].items() if lies else ():
                setattr(archive.filelist[-1], key, value)
    return path
