"""A linked ELF file: symbols, the functions that kernels consist of, and its instructions as objdump prints them."""

import re
import struct
import subprocess

X86_64, AARCH64 = 62, 183
RELATIVE = {X86_64: 8, AARCH64: 1027}
OBJDUMP = {X86_64: ["objdump", "-M", "intel"], AARCH64: ["aarch64-linux-gnu-objdump"]}
SHF_WRITE, SHF_EXECINSTR = 1, 4


class Error(Exception):
    pass


class Instruction:
    """`text` is the operands; `target` the address that a branch names; `comment` an address that objdump worked out."""

    def __init__(self, address, mnemonic, text, target, comment):
        self.address = address
        self.mnemonic = mnemonic
        self.text = text
        self.target = target
        self.comment = comment
        self.next = None  # address of the one behind it

    def __str__(self):
        return f"{self.address:x}: {self.mnemonic} {self.text}".rstrip()


class Image:
    def __init__(self, path):
        self.path = str(path)
        with open(path, "rb") as f:
            self.data = f.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise Error(f"{path}: no 64-bit little-endian ELF file")
        self.machine = struct.unpack_from("<H", self.data, 18)[0]
        if self.machine not in RELATIVE:
            raise Error(f"{path}: for a machine that is not known here")
        self._read_sections()
        self._read_symbols()
        self._read_relocations()
        self._instructions = None

    def _read_sections(self):
        offset, = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        rows = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + size * i) for i in range(count)]
        self.sections = []
        for name, kind, flags, address, at, length, link, _, _, entry in rows:
            text = self._string(rows[names][4] + name)
            self.sections.append(dict(name=text, kind=kind, flags=flags, address=address, at=at, length=length, link=link,
                                      entry=entry))

    def _string(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def _read_symbols(self):
        table = next((s for s in self.sections if s["name"] == ".symtab"), None)
        if table is None:
            raise Error(f"{self.path}: stripped, so its functions have no names")
        strings = self.sections[table["link"]]["at"]
        self.symbols = []  # (name, address, size, is it a function)
        for at in range(table["at"], table["at"] + table["length"], table["entry"]):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
            if section != 0 and info & 15 in (0, 1, 2) and name:
                self.symbols.append((self._string(strings + name), value, size, info & 15 == 2))
        self.functions = {value: name for name, value, _, function in self.symbols if function}

    def _read_relocations(self):
        self.pointers = {}  # address of a pointer -> what it points at, where that is in the file itself
        for section in self.sections:
            if section["kind"] != 4:
                continue
            for at in range(section["at"], section["at"] + section["length"], 24):
                offset, info, addend = struct.unpack_from("<QQq", self.data, at)
                if info & 0xffffffff == RELATIVE[self.machine]:
                    self.pointers[offset] = addend

    def section_of(self, address):
        return next((s for s in self.sections
                     if s["flags"] & 2 and s["address"] <= address < s["address"] + s["length"]), None)

    def is_constant(self, address):
        """Whether the program cannot write there: what lies there is no secret."""
        section = self.section_of(address)
        return section is not None and (not section["flags"] & SHF_WRITE or section["name"].startswith(".data.rel.ro"))

    def is_got(self, address):
        section = self.section_of(address)
        return section is not None and section["name"] == ".got"

    def name_of(self, address):
        """FUNCTION+OFFSET of an instruction."""
        best = max((value for value in self.functions if value <= address), default=None)
        if best is None:
            return f"{address:x}"
        return self.functions[best] + (f"+0x{address - best:x}" if address != best else "")

    @property
    def compiler(self):
        """As in x86_64-gcc-12.2.0.  The C library's start files name theirs too: of two it is clang."""
        section = next((s for s in self.sections if s["name"] == ".comment"), None)
        text = self.data[section["at"]:section["at"] + section["length"]].decode("ascii", "replace") if section else ""
        for name, pattern in (("clang", r"clang version (\d+\.\d+\.\d+)"), ("gcc", r"GCC: \(.*?\) (\d+\.\d+\.\d+)")):
            if match := re.search(pattern, text):
                return f"{'x86_64' if self.machine == X86_64 else 'aarch64'}-{name}-{match[1]}"
        return "unknown-unknown"

    @property
    def instructions(self):
        if self._instructions is None:
            self._disassemble()
        return self._instructions

    def _disassemble(self):
        command = OBJDUMP[self.machine] + ["-d", "--no-show-raw-insn", "-w", self.path]
        try:
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as e:
            raise Error(f"{command[0]} failed: {e}") from e
        self._instructions = {}
        self.stubs = {}  # address of a PLT entry -> name of what it calls
        last = None
        for line in out.splitlines():
            if match := re.match(r"([0-9a-f]+) <(.*)@plt>:$", line):
                self.stubs[int(match[1], 16)] = match[2]
            match = re.match(r" *([0-9a-f]+):\t((?:(?:rep\w*|data16|cs|ds|es|ss|notrack|bnd|lock) )*\S+)\s*(.*)$", line)
            if not match:
                continue
            text, _, comment = match[3].partition("#" if self.machine == X86_64 else "//")
            target = re.search(r"(?:^|,\s*|\s)(?:0x)?([0-9a-f]+) <[^>]*>\s*$", text)
            known = re.match(r"\s*([0-9a-f]+)", comment) if self.machine == X86_64 else None
            instruction = Instruction(int(match[1], 16), match[2], re.sub(r"\s*<.*>\s*$", "", text).strip(),
                                      int(target[1], 16) if target else None, int(known[1], 16) if known else None)
            self._instructions[instruction.address] = instruction
            if last is not None:
                last.next = instruction.address
            last = instruction


# The members of struct sl_kernel and struct sl_face, as arch/kernel.h declares them: (name, offset, is it a function).
SIZES = {"uint32_t": 4, "int": 4, "unsigned": 4, "size_t": 8, "uint64_t": 8}


def members(header, name):
    with open(header, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    body = re.search(rf"struct {name} \{{(.*?)\n\}};", text, flags=re.S)
    if not body:
        raise Error(f"{header}: no struct {name}")
    rows, offset = [], 0
    for line in " ".join(body[1].split()).split(";"):
        line = line.strip()
        if not line:
            continue
        function = re.match(r".*\(\*(?:const )?(\w+)\)\(", line)
        pointer = function or re.match(r".*\*(?:const )?(\w+)$", line)
        plain = re.match(r"(?:enum \w+|(\w+)) (\w+)$", line)
        if not pointer and not plain:
            raise Error(f"{header}: not understood: {line}")
        size = 8 if pointer else SIZES.get(plain[1] or "int")
        if size is None:
            raise Error(f"{header}: size not known: {line}")
        offset = (offset + size - 1) // size * size
        rows.append((pointer[1] if pointer else plain[2], offset, bool(function)))
        offset += size
    return rows


def entry_points(image, header):
    """(kernel, field, address) for every function that a struct sl_kernel of the image refers to, and `field` as in
    `sl_kernel.ctr`.  Those that two kernels share come up once for each."""
    found = []
    layouts = {name: members(header, name) for name in ("sl_kernel", "sl_face")}
    faces = {"by_key", "by_nonce"}

    def walk(kernel, layout, address, prefix):
        for name, offset, function in layouts[layout]:
            to = image.pointers.get(address + offset)
            if to is None:
                continue
            if function:
                found.append((kernel, f"{layout}.{name}", prefix + name, to))
            elif name in faces:
                walk(kernel, "sl_face", to, name + ".")

    for name, address, size, function in image.symbols:
        if name.startswith("sl_kernel_") and not function and size >= 64:
            walk(name[len("sl_kernel_"):], "sl_kernel", address, "")
    return found
