"""aarch64 instructions for the analyses: what each reads, writes and decides.  An instruction that is not listed is not passed over."""

import re

from . import taint


def words(text):
    return set(text.split())


CONDITIONAL = re.compile(r"b\.\w+$")
TEST_AND_BRANCH = words("cbz cbnz tbz tbnz")
LOADS = {"ldr": 0, "ldur": 0, "ldp": 0, "ldnp": 0, "ld1": 0, "ld1r": 0, "ld2": 0, "ld3": 0, "ld4": 0, "ldrb": 1, "ldurb": 1, "ldrh": 2, "ldurh": 2, "ldrsw": 4, "ldursw": 4,
         "ldrsb": 1, "ldrsh": 2}
STORES = {"str": 0, "stur": 0, "stp": 0, "stnp": 0, "st1": 0, "st2": 0, "st3": 0, "st4": 0, "strb": 1, "sturb": 1, "strh": 2, "sturh": 2}
# The destination is a function of the other operands.
PLAIN = words("mov fmov movi mvni movz movn dup umov smov rev rev16 rev32 rev64 ext aesmc aesimc eor eor3 orr orn and bic eon mvn not neg add sub mul "
              "umulh smulh lsl lsr asr ror ubfx sbfx ubfiz sbfiz extr shl ushr sshr sxtw uxtw uxtb uxth sxtb sxth adr xtn uxtl ushll zip1 zip2 "
              "uzp1 uzp2 trn1 trn2 tbl cmeq cmtst cmhi cmhs cmgt cmge madd msub umaddl smaddl umull smull clz rbit cnt addv umaxv uminv bcax rax1 "
              "xar uxtl2 sxtl sxtl2 shll shll2 ushll2 shrn addp")
# The destination takes part.
TAKES_PART = words("aese aesd ins movk bfi bfxil bfm sli sri bsl bit bif tbx mla mls xtn2 shrn2 usra ssra")
SETS_FLAGS = words("adds subs ands bics negs cmp cmn tst")
SELECTS = words("csel csinc csinv csneg cset csetm cinc cinv cneg")
SHIFTS = words("lsl lsr asr ror ushl sshl")
DATA = PLAIN | TAKES_PART | SETS_FLAGS | SELECTS | SHIFTS | words("adrp adr ccmp ccmn udiv sdiv adc sbc")
IGNORED = re.compile(r"(nop|hint|bti|paciasp|autiasp|prfm|yield|dmb|isb|csdb)$")
STOP = words("udf brk hlt")
SCALARS = {"q": 16, "d": 8, "s": 4, "h": 2, "b": 1}


class Operand:
    """A register and its bytes, a number, or an address; `lane` of a vector; the shift that an index or a second operand gets."""

    def __init__(self, register=None, size=0, number=None, lane=False, shift=0):
        self.register, self.size, self.number, self.lane, self.shift = register, size, number, lane, shift


def parse_operand(text):
    text = text.strip()
    if match := re.match(r"#(-?(?:0x[0-9a-f]+|\d+))$", text):
        return Operand(number=int(match[1], 0))
    if match := re.match(r"#-?[\d.]+(e[+-]?\d+)?$", text):
        return Operand(number=1)
    if match := re.match(r"([xw])(\d+)$", text):
        return Operand(register=f"x{match[2]}", size=8 if match[1] == "x" else 4)
    if text in ("sp", "wsp"):
        return Operand(register="sp", size=8)
    if text in ("xzr", "wzr"):
        return Operand(number=0)
    if match := re.match(r"([qdshb])(\d+)$", text):
        return Operand(register=f"v{match[2]}", size=SCALARS[match[1]])
    if match := re.match(r"v(\d+)(?:\.(\d+)?([bhsdq]))?(\[\d+\])?$", text):
        size = (int(match[2]) if match[2] else 1) * SCALARS[match[3]] if match[3] else 16
        return Operand(register=f"v{match[1]}", size=size, lane=bool(match[4]))
    return None


def split(text):
    """Operands in order, brackets and braces kept together."""
    return [part.strip() for part in re.findall(r"(?:\[[^\]]*\]!?|\{[^}]*\}(?:\[\d+\])?|[^,\[{]+(?:\[\d+\])?)+", text) if part.strip()]


def registers_of(text):
    """The registers of an operand, which may be a list: {v4.4s-v7.4s} or {v2.d}[1]."""
    names = re.split(r",\s*", re.sub(r"[{}]", "", text))
    if match := re.match(r"v(\d+)(\.\w+)-v(\d+)", names[0]):
        first, last = int(match[1]), int(match[3])
        return [f"v{(first + n) % 32}{match[2]}" for n in range((last - first) % 32 + 1)]
    return names


class Machine:
    arguments = [f"x{i}" for i in range(8)]
    result = "x0"
    stack_pointer = "sp"
    preserved = [f"x{i}" for i in range(19, 30)] + ["sp"]

    def __init__(self, image):
        self.image = image

    def enter(self, kinds):
        """The state at a function's first instruction."""
        state = taint.State()
        state.registers["sp"] = (False, "stack", 0, 0)
        for register, kind in zip(self.arguments, kinds, strict=False):
            state.registers[register] = taint.argument(kind)
        return state

    def read(self, a, state, operand):
        if operand.number is not None:
            return taint.known(operand.number)
        value = state.get(operand.register)
        if operand.register[0] == "v" or operand.size == 8:
            return value
        return value if value[3] == 0 and value[1] == "any" and 0 <= value[2] < 1 << 31 else taint.of(value[0])

    def write(self, state, operand, value):
        if operand.register is None:
            return
        if operand.lane:
            value = taint.of(value[0] or state.get(operand.register)[0])
        elif operand.size == 4 and operand.register[0] == "x" and not (value[3] == 0 and value[1] == "any" and 0 <= value[2] < 1 << 31):
            value = taint.of(value[0])
        state.registers[operand.register] = value

    def flags(self, state, secret):
        state.registers["flags"] = taint.of(secret)

    def step(self, a, state, i):
        name = i.mnemonic
        if name in STOP:
            return []
        if name in ("ret", "b", "br", "bl", "blr") or CONDITIONAL.match(name) or name in TEST_AND_BRANCH:
            return self.control(a, state, i, name)
        if IGNORED.match(name):
            return [i.next]
        if name in LOADS or name in STORES:
            self.memory(a, state, i, name)
        elif name not in DATA or not self.data(a, state, i, name):
            a.say(f"I do not know {name}")
        return [i.next]

    def control(self, a, state, i, name):
        if name == "ret":
            return None
        if name in ("br", "blr"):
            a.say("an indirect branch, which is not followed")
            return [i.next] if name == "blr" else []
        if CONDITIONAL.match(name):
            a.branch(state.get("flags"))
            return [i.target, i.next]
        if name in TEST_AND_BRANCH:
            operand = parse_operand(split(i.text)[0])
            a.branch(self.read(a, state, operand))
            return [i.target, i.next]
        if name == "bl":
            state.registers["x30"] = taint.PUBLIC
            return [i.next] if a.call(state, i.target) else []
        if i.target in self.image.stubs:
            return None if a.call(state, i.target) else []
        return [i.target]

    def address(self, a, state, text, following):
        """The address in brackets, and what its base register becomes (None: it stays)."""
        inside = [part.strip() for part in text.strip("!").strip("[]").split(",")]
        base = parse_operand(inside[0])
        value = state.get(base.register)
        if len(inside) > 1:
            if inside[1].startswith("#"):
                value = taint.add(value, taint.known(int(inside[1][1:], 0)))
            else:
                index = self.read(a, state, parse_operand(inside[1]))
                amount = re.search(r"#(\d+)", inside[2]) if len(inside) > 2 else None
                value = taint.add(value, taint.times(index, 1 << int(amount[1])) if amount else index)
        after = None
        if text.endswith("!"):
            after = value
        elif following:
            step = parse_operand(following)
            after = taint.add(value, self.read(a, state, step))
        return value, base.register, after

    def memory(self, a, state, i, name):
        parts = split(i.text)
        at = next(n for n, part in enumerate(parts) if part.startswith("["))
        targets = [parse_operand(register) for part in parts[:at] for register in registers_of(part)]
        if None in targets:
            a.say(f"an operand that is not understood: {i.text}")
            return
        where, base, after = self.address(a, state, parts[at], parts[at + 1] if len(parts) > at + 1 else None)
        values = []
        for target in targets:
            size = LOADS.get(name) or STORES.get(name) or target.size or 8
            if name in LOADS:
                values.append((target, a.load(state, where, size)))
            else:
                a.store(state, where, size, self.read(a, state, target))
            where = taint.add(where, taint.known(size))
        if after is not None:
            state.registers[base] = after
        for target, value in values:
            self.write(state, target, value)

    def data(self, a, state, i, name):
        parts = split(i.text)
        shift = re.match(r"(lsl|lsr|asr|ror|uxtw|uxtb|sxtw|uxtx|sxtx|uxth|msl)(?: #(\d+))?$", parts[-1])
        if shift or name in SELECTS:
            parts = parts[:-1]
        ops = [parse_operand(part) for part in re.split(r",\s*", ", ".join(part.strip("{}") for part in parts))]
        if name == "adrp" or name == "adr":
            state.registers[ops[0].register] = taint.known(i.target if i.target is not None else int(parts[1], 16))
            return True
        if name == "ccmp" or name == "ccmn":
            self.flags(state, state.get("flags")[0] or any(self.read(a, state, o)[0] for o in ops[:2] if o))
            return True
        if None in ops:
            a.say(f"an operand that is not understood: {i.text}")
            return True
        values = [self.read(a, state, operand) for operand in ops]
        if name in SETS_FLAGS:
            compared = name in ("cmp", "cmn", "tst")
            secret = any(value[0] for value in (values if compared else values[1:]))
            self.flags(state, secret)
            if not compared:
                self.write(state, ops[0], self.sum_of(name[:-1], values, shift) if name in ("adds", "subs") else taint.of(secret))
        elif name in ("udiv", "sdiv"):
            if values[1][0] or values[2][0]:
                a.say("the time of a division depends on a secret")
            self.write(state, ops[0], taint.of(values[1][0] or values[2][0]))
        elif name in SELECTS:
            value = values[1] if len(values) > 1 else taint.PUBLIC
            for other in values[2:]:
                value = taint.join(value, other)
            self.write(state, ops[0], taint.of(value[0] or state.get("flags")[0], value[1] if name == "csel" else "any"))
        elif name in ("adc", "sbc"):
            self.write(state, ops[0], taint.of(values[1][0] or values[2][0] or state.get("flags")[0]))
        elif name in PLAIN or name in TAKES_PART or name in SHIFTS:
            self.plain(a, state, name, ops, values, shift)
        else:
            return False
        return True

    def sum_of(self, name, values, shift):
        second = values[2]
        if shift and shift[1] == "lsl":
            second = taint.times(second, 1 << int(shift[2]))
        elif shift:
            second = taint.of(second[0])
        return taint.add(values[1], second, 1 if name == "add" else -1)

    def plain(self, a, state, name, ops, values, shift):
        secret = any(value[0] for value in (values if name in TAKES_PART else values[1:]))
        value = taint.of(secret)
        scalar = ops[0].register is not None and ops[0].register[0] in "xs"
        if name in SHIFTS and len(ops) > 2 and ops[2].register and values[2][0]:
            a.say("a shift count depends on a secret")
        if name in ("eor", "sub") and len(ops) == 3 and ops[1].register and ops[1].register == ops[2].register and not shift:
            value = taint.known(0)
        elif scalar and name == "mov" and len(ops) == 2 and (ops[1].register is None or ops[1].register[0] in "xs"):
            value = values[1]
        elif scalar and name in ("add", "sub") and len(values) == 3:
            value = self.sum_of(name, values, shift)
        elif scalar and name == "lsl" and ops[2].number is not None:
            value = taint.times(values[1], 1 << (ops[2].number & 63))
        elif scalar and name == "madd":
            for factor, other in ((values[1], values[2]), (values[2], values[1])):
                if factor[3] == 0 and not factor[0]:
                    value = taint.add(taint.times(other, factor[2]), values[3])
        elif scalar and name == "and" and values[1][1].startswith("stack"):
            value = (False, f"stack{a.at.address:x}.{len(a.calls)}", 0, 0)
        self.write(state, ops[0], value)
