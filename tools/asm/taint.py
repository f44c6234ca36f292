"""Which values of a machine-code function depend on secrets: data flow over its control-flow graph, to a fixed point.

What a register holds is a value (secret, kind, c, m): whether it depends on a secret; what it points at; and the number itself as far as it
is known, c + n m for some n (m 0: it is c; m 1: nothing known).  The numbers tell stack slots, and members of records, from
one another.  The kinds:

    any       a number, or a pointer to what is secret or becomes so
    public    a pointer to memory without secrets; what is loaded from there is a pointer or number that is no secret
    records   a pointer into an array of struct sealane_record, whose addresses and lengths are no secrets
    stackN    an address in a stack frame: what was stored there decides.  Here c + n m has n >= 0: an index that is not known counts upwards
              from the address that it is added to, which is what arrays in C do

    global    a pointer to a variable of another library; a guard is what the stack protector has there, and puts behind arrays: writes to those
              do not reach it

So a load is secret unless it is shown to be from memory without secrets.  Nothing but the stack is written and then read again in these
functions as far as this analysis believes: what they load through any other pointer counts as secret already, and records, IVs
and constants are not overlapped by outputs (include/sealane/record.h)."""

import math

RECORD_LEN, RECORD_IV = 48, 8  # struct sealane_record; a wrong number here makes an IV a secret, not a secret an IV


def known(number):
    return (False, "any", number, 0)


PUBLIC = (False, "any", 0, 1)
SECRET = (True, "any", 0, 1)
LOW_BYTE = ".8"
ANYWHERE = -1 << 40  # lower than any offset in a frame


def of(secret, kind="any"):
    return (secret, kind, 0, 1)


def argument(kind):
    """Numbers of pointers into the records count from the first one."""
    return (False, "records", 0, 0) if kind == "records" else of(False, kind)


def _reduce(c, m):
    return (c % m, m) if m else (c, 0)


def join(a, b):
    if a == b:
        return a
    m = math.gcd(a[3], b[3], abs(a[2] - b[2]))
    if a[1] != b[1] or not a[1].startswith("stack"):
        return (a[0] or b[0], a[1] if a[1] == b[1] else "any", *_reduce(a[2], m))
    low = min(a[2], b[2])
    if a[3] and low < a[2]:
        low = ANYWHERE  # it walks downwards
    return (a[0] or b[0], a[1], low, m)


def add(a, b, sign=1):
    """a + b, or a - b."""
    secret, m = a[0] or b[0], math.gcd(a[3], b[3])
    if a[1] != "any" and b[1] != "any":
        return of(secret)
    kind = a[1] if a[1] != "any" or sign == -1 else b[1]
    if sign == -1 and b[1] != "any":
        kind = "any"
    if kind.startswith("stack"):
        return (secret, kind, ANYWHERE if sign == -1 and b[3] else a[2] + sign * b[2], m)
    return (secret, kind, *_reduce(a[2] + sign * b[2], m))


def times(a, factor):
    return (a[0], "any", *_reduce(a[2] * factor, abs(a[3] * factor)))


class State:
    """Registers, and under REGISTER + LOW_BYTE the last byte where that was written apart from the rest; flags under the name `flags`; the stack in cells of 4 bytes: (frame, offset / 4) -> (value, start, size).  `smeared` are
    (frame, offset): from there on a secret was written somewhere."""

    __slots__ = ("registers", "stack", "smeared")

    def __init__(self, registers=None, stack=None, smeared=frozenset()):
        self.registers = registers if registers is not None else {}
        self.stack = stack if stack is not None else {}
        self.smeared = smeared

    def copy(self):
        return State(dict(self.registers), dict(self.stack), self.smeared)

    def get(self, register):
        return self.registers.get(register, PUBLIC)

    def set(self, register, value):
        self.registers[register] = value
        self.registers.pop(register + LOW_BYTE, None)

    def merge(self, other):
        """Takes the other's possibilities in; whether that changed anything."""
        changed = False
        for name in other.registers.keys() | self.registers.keys():
            if name.endswith(LOW_BYTE) and (name not in other.registers or name not in self.registers):
                changed |= self.registers.pop(name, None) is not None
                continue
            old = self.get(name)
            new = join(old, other.get(name))
            if new != old:
                self.registers[name] = new
                changed = True
        for at, cell in other.stack.items():
            old = self.stack.get(at)
            if old is None:
                self.stack[at] = cell
                changed = True
            elif old != cell:
                if old[1:] == cell[1:]:
                    new = (join(old[0], cell[0]), old[1], old[2])
                else:
                    new = (of(old[0][0] or cell[0][0]), at[1], 1)
                if new != old:
                    self.stack[at] = new
                    changed = True
        if not other.smeared <= self.smeared:
            self.smeared |= other.smeared
            changed = True
        return changed

    def load_stack(self, address, size):
        frame = address[1]
        smeared = any(at[0] == frame and (address[3] or at[1] < address[2] + size) for at in self.smeared)
        if address[3] != 0:
            low = address[2] // 4
            return of(smeared or any(cell[0][0] for at, cell in self.stack.items() if at[0] == frame and at[1] >= low))
        first, last = address[2] // 4, (address[2] + size - 1) // 4
        cells = [self.stack.get((frame, at)) for at in range(first, last + 1)]
        if cells[0] and cells[0][1:] == (address[2], size) and all(cell == cells[0] for cell in cells):
            value = cells[0][0]
            if value[1] == "guard":
                return value
            return (value[0] or smeared, *value[1:])
        return of(smeared or any(cell and cell[0][0] for cell in cells))

    def store_stack(self, address, size, value, certain=True):
        """`certain`: the whole of it is overwritten, so that what was there is gone."""
        frame = address[1]
        if address[3] != 0:
            if value[0]:
                self.smeared |= {(frame, address[2])}
            return
        certain = certain and address[2] % 4 == 0 and size % 4 == 0
        for at in range(address[2] // 4, (address[2] + size - 1) // 4 + 1):
            old = self.stack.get((frame, at))
            if certain:
                self.stack[frame, at] = (value, address[2], size)
            else:
                self.stack[frame, at] = (of(value[0] or bool(old and old[0][0])), at, 1)


class Analysis:
    """One entry point.  `machine` knows the instructions; `externals` maps what the file calls outside of itself to the
    kinds of its arguments."""

    def __init__(self, image, machine, externals):
        self.image = image
        self.machine = machine
        self.externals = externals
        self.findings = {}
        self.visited = set()
        self.checked = {"load": set(), "store": set(), "branch": set()}
        self.memory = {}
        self.at = None
        self.calls = []

    def say(self, message):
        where = f"{self.image.name_of(self.at.address)}: {self.at.mnemonic} {self.at.text}"
        self.findings.setdefault((self.at.address, message), f"{where}: {message}")

    # What the machines' instructions consist of.

    def check_address(self, address):
        if address[0]:
            self.say("the address depends on a secret")

    def load(self, state, address, size):
        self.checked["load"].add(self.at.address)
        self.check_address(address)
        kind = address[1]
        if kind == "any" and address[3] == 0 and self.image.is_got(address[2]):
            return of(False, "global")  # the address of a variable of another library: the stack protector's
        if kind == "global":
            return of(False, "guard")
        if kind == "public" or (kind == "any" and address[3] == 0 and self.image.is_constant(address[2])):
            return PUBLIC
        if kind == "records":
            iv = address[3] % RECORD_LEN == 0 and address[2] % RECORD_LEN == RECORD_IV and size == 8
            return of(False, "public" if iv else "any")
        if kind.startswith("stack"):
            return state.load_stack(address, size)
        return SECRET

    def store(self, state, address, size, value, certain=True):
        self.checked["store"].add(self.at.address)
        self.check_address(address)
        if address[1].startswith("stack"):
            state.store_stack(address, size, value, certain)
        elif address[1] in ("records", "public") and value[0]:
            self.say("a secret is stored where no secrets are expected")

    def branch(self, condition):
        self.checked["branch"].add(self.at.address)
        if condition[0]:
            self.say("the branch depends on a secret")

    # Control flow.

    def run(self, entry, state, calls=()):
        """From `entry` until all paths have returned: the states there merged, or None."""
        if entry in calls or len(calls) > 16:
            self.say("recursion, which is not followed")
            return None
        states, todo, end = {entry: state.copy()}, [entry], None
        while todo:
            address = todo.pop()
            current = states[address].copy()
            while True:
                instruction = self.image.instructions.get(address)
                if instruction is None:
                    self.say(f"leads to {address:x}, where there is no instruction")
                    break
                self.at, self.calls = instruction, (*calls, entry)
                self.visited.add(address)
                targets = self.machine.step(self, current, instruction)
                if targets is None:
                    if end is None:
                        end = current.copy()
                    else:
                        end.merge(current)
                    break
                ahead = None
                for target in targets:
                    if target not in states:
                        states[target] = current.copy()
                    elif not states[target].merge(current):
                        continue
                    if target == instruction.next:
                        ahead = target
                    elif target not in todo:
                        todo.append(target)
                if ahead is None:
                    break
                address = ahead
                current = states[address].copy()
        return end

    def call(self, state, target):
        """A function of this file, analysed where it is called from; or one of another, by what is known of its arguments.  Whether it returns."""
        at, calls = self.at, self.calls
        name = self.image.stubs.get(target)
        if name is not None and name not in self.externals:
            target = next((value for value, function in self.image.functions.items() if function == name), None)
            if target is None:
                self.say(f"calls {name}, of which nothing is known")
                return True
            name = None
        if name is not None:
            return self._external(state, name)
        before = state.copy()
        end = self._remembered(target, state, calls)
        self.at, self.calls = at, calls
        if end is None:
            return False
        state.registers, state.stack, state.smeared = end.registers, end.stack, end.smeared
        for register in self.machine.preserved:
            for name in (register, register + LOW_BYTE):
                if name in before.registers:
                    state.registers[name] = before.registers[name]
                else:
                    state.registers.pop(name, None)
        return True

    def _remembered(self, target, state, calls):
        key = (target, len(calls), frozenset(state.registers.items()), frozenset(state.stack.items()), state.smeared)
        if key not in self.memory:
            self.memory[key] = self.run(target, state, calls)
        end = self.memory[key]
        return end.copy() if end else None

    def _external(self, state, name):
        if self.externals[name] == ["noreturn"]:
            return False
        arguments = [state.get(register) for register in self.machine.arguments]
        for kind, argument in zip(self.externals[name], arguments):
            if kind.startswith("public") and argument[0]:
                self.say(f"a secret decides an argument of {name}")
            if kind == "public*=" and argument[1].startswith("stack"):
                state.store_stack((False, argument[1], argument[2], 1), 1, SECRET)
        for register in list(state.registers):
            if register not in self.machine.preserved and not register.endswith(LOW_BYTE):
                state.set(register, PUBLIC)
        return True
