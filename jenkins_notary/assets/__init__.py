"""Turn what a person names on the command line into assets with their digests.

One file a kind of asset: ``files``, ``directories``, ``git``, ``images`` (a registry),
``local_images`` (docker and podman), ``archives``, ``urls``; ``selection`` chooses
among them. Nothing is imported here: for plain files only ``files`` and ``selection``
are loaded.
"""
