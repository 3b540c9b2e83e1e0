"""Fetch a source package from the index that pip uses, check it, and unpack it; nothing of it is run.

    python tools/fetch_sdist.py NAME VERSION SHA256 FOLDER

`pip download` would build the package to learn its name.
"""

import hashlib
import re
import sys
import tarfile
import urllib.parse
import urllib.request
from io import BytesIO
from pathlib import Path

from pip._internal.commands import create_command


def main(name: str, version: str, digest: str, folder: str) -> int:
    index, _ = create_command("download").parse_args([name])
    page = f"{index.index_url.rstrip('/')}/{name}/"
    with urllib.request.urlopen(page, timeout=60) as answer:
        links = re.findall(r'href="([^"#]+)', answer.read().decode())
    wanted = {f"{spelled}-{version}.tar.gz" for spelled in (name, name.replace("-", "_"))}
    found = [link for link in links if urllib.parse.unquote(link).rsplit("/", 1)[-1] in wanted]
    if not found:
        print(f"{name} {version} is not at the index that pip uses", file=sys.stderr)
        return 1
    with urllib.request.urlopen(urllib.parse.urljoin(page, found[0]), timeout=600) as answer:
        data = answer.read()
    if (got := hashlib.sha256(data).hexdigest()) != digest:
        print(f"{found[0]} has the digest {got}, {digest} was expected", file=sys.stderr)
        return 1
    careful = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}          # Python 3.11.4 and later
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        archive.extractall(Path(folder), **careful)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
