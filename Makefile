# The front door: `make`, `make test`, `make test-numa`, `make bench`, `make install`.  CMakeLists.txt does the work.
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

.PHONY: all test test-numa bench install clean

all:
	@tools/bootstrap.sh build
	@generator=; [ -f $(BUILD)/CMakeCache.txt ] || ! command -v ninja >/dev/null || generator="-G Ninja"; \
	    cmake -S . -B $(BUILD) $$generator -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX) --log-level=WARNING
	@cmake --build $(BUILD) -j$(JOBS)

test: all
	@ctest --test-dir $(BUILD) -j$(JOBS) --output-on-failure --no-tests=error
	@tools/not-run.sh $(BUILD)

# The worker pool in virtual machines of 2 and 4 NUMA nodes.
test-numa: all
	@tools/bootstrap.sh numa
	@cmake --build $(BUILD) -j$(JOBS) --target numa
	@tools/numa-guest.sh $(BUILD)

bench: all
	@$(BUILD)/sealane-bench --results results

install: all
	@cmake --install $(BUILD)

clean:
	@rm -rf $(BUILD)
