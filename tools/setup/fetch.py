#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fetches the sources that pins.txt pins for the named groups through apt and unpacks them into build/third_party/.

Many machines have no deb-src lines, so apt is given a private configuration: the machine's own Debian sources, of
whatever mirror, turned into deb-src of the suites that the pins name. Nothing outside build/ is written.
Only the upstream tarball is fetched, since some mirrors drop the Debian part of an old package.
A tarball laid by hand into build/setup/download/SHA256 is taken as well.
"""
import hashlib
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
THIRD_PARTY = ROOT / "build/third_party"
WORK = ROOT / "build/setup"
DOWNLOAD = WORK / "download"
SYSTEM_APT = pathlib.Path("/etc/apt")


def die(message):
    sys.exit(f"setup: {message}")


def pins_read():
    pins = []
    for line in (ROOT / "tools/setup/pins.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pins.append(dict(zip(("group", "dir", "package", "suite", "folder", "sha256"), line.split(), strict=True)))
    return pins


def stanzas_of_list(text):
    """One-line format: deb [option=value ...] URI suite component ..."""
    for line in text.splitlines():
        match = re.match(r"\s*deb(?:-src)?\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s", line)
        if match:
            options, uri, suite = match.groups()
            signed = [o.partition("=")[2] for o in (options or "").split() if o.lower().startswith("signed-by=")]
            yield {"uris": uri, "suites": suite, "signed-by": signed[0] if signed else ""}


def stanzas_of_deb822(text):
    for paragraph in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields, name = {}, None
        for line in paragraph.splitlines():
            if line[:1].isspace() and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() not in ("no", "false", "0") and "uris" in fields:
            yield fields


def sources_of_machine():
    for path in [SYSTEM_APT / "sources.list", *sorted(SYSTEM_APT.glob("sources.list.d/*"))]:
        if path.suffix == ".list" and path.is_file():
            yield from stanzas_of_list(path.read_text())
        elif path.suffix == ".sources" and path.is_file():
            yield from stanzas_of_deb822(path.read_text())


def sources_write(path, suites):
    """The machine's sources that carry Debian's main suites, as deb-src of the wanted suites."""
    release = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text()))
    main = {release.get("VERSION_CODENAME", ""), "stable", "oldstable", *suites} - {""}
    seen, text = set(), ""
    for fields in sources_of_machine():
        if not main & set(fields.get("suites", "").split()) or fields["uris"] in seen:
            continue
        seen.add(fields["uris"])
        text += f"Types: deb-src\nURIs: {fields['uris']}\nSuites: {' '.join(suites)}\nComponents: main\n"
        text += f"Signed-By: {fields['signed-by']}\n\n" if fields.get("signed-by") else "\n"
    if not text:
        die("no Debian mirror in /etc/apt/sources.list or sources.list.d; see pins in tools/setup/pins.txt")
    path.write_text(text)


class PrivateApt:
    def __init__(self, suites):
        base = WORK / "apt"
        for part in ("parts", "lists/partial", "cache/archives/partial"):
            (base / part).mkdir(parents=True, exist_ok=True)
        sources_write(base / "parts/debian.sources", suites)
        self.options = ["-q", "-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::SourceList=/dev/null",
                        "-o", f"Dir::Etc::SourceParts={base}/parts", "-o", f"Dir::State::Lists={base}/lists",
                        "-o", f"Dir::Cache={base}/cache", "-o", "Acquire::Languages=none",
                        "-o", "APT::Get::List-Cleanup=false"]
        if subprocess.run(["apt-get", *self.options, "update"], stdout=subprocess.DEVNULL).returncode:
            print("setup: some source lists could not be read; going on with the rest", file=sys.stderr)

    def run(self, *command):
        done = subprocess.run([command[0], *self.options, *command[1:]], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        return done.stdout

    def uri_of(self, pin):
        """The mirror's address of the pinned tarball, whatever Debian revision it is part of."""
        for stanza in self.run("apt-cache", "showsrc", pin["package"]).split("\n\n"):
            version = re.search(r"(?m)^Version: (.*)", stanza)
            if not version or pin["sha256"] not in stanza:
                continue
            wanted = f"{pin['package']}={version.group(1)}"
            for line in self.run("apt-get", "source", "--print-uris", wanted).splitlines():
                if line.endswith("SHA256:" + pin["sha256"]):
                    return shlex.split(line)[0]
        die(f"no source list of this machine's mirror has {pin['package']} with the tarball {pin['sha256']} "
            f"(suite {pin['suite']}); lay the file there by hand as {DOWNLOAD / pin['sha256']}")

    def fetch(self, pin, target):
        done = subprocess.run(["/usr/lib/apt/apt-helper", *self.options, "download-file", self.uri_of(pin),
                               str(target)], stdout=subprocess.DEVNULL)
        if done.returncode:
            target.unlink(missing_ok=True)
            die(f"the mirror did not give the source of {pin['package']}")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(pin, tarball):
    target, fresh = THIRD_PARTY / pin["dir"], THIRD_PARTY / f".{pin['dir']}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(tarball) as tar:
        prefix = pin["folder"] + "/"
        members = [m for m in tar.getmembers() if m.name.startswith(prefix) and (m.isfile() or m.isdir())]
        for member in members:
            member.name = member.name[len(prefix):]
            if ".." in pathlib.PurePath(member.name).parts:
                die(f"{pin['package']}: the tarball holds the path {member.name}")
        if not members:
            die(f"{pin['package']}: the tarball has no folder {pin['folder']}")
        tar.extractall(fresh, members)
    (fresh / ".pin").write_text(pin["sha256"] + "\n")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def is_there(pin):
    stamp = THIRD_PARTY / pin["dir"] / ".pin"
    return stamp.is_file() and stamp.read_text().strip() == pin["sha256"]


def main(groups):
    wanted = [pin for pin in pins_read() if pin["group"] in groups and not is_there(pin)]
    if not wanted:
        return
    DOWNLOAD.mkdir(parents=True, exist_ok=True)
    THIRD_PARTY.mkdir(parents=True, exist_ok=True)
    apt = None
    for pin in wanted:
        tarball = DOWNLOAD / pin["sha256"]
        if not tarball.is_file():
            print(f"setup: fetching the source of {pin['package']} ({pin['folder']})", file=sys.stderr)
            apt = apt or PrivateApt(sorted({p["suite"] for p in wanted}))
            apt.fetch(pin, tarball)
        if digest(tarball) != pin["sha256"]:
            found = digest(tarball)
            tarball.unlink()
            die(f"the tarball of {pin['package']} has sha256 {found}, pinned is {pin['sha256']}; it was thrown away")
        unpack(pin, tarball)


if __name__ == "__main__":
    main(sys.argv[1:])
