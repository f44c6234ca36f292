# The front door: `make`, `make test`, `make bench`, `make install`.  CMakeLists.txt does the work.
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

.PHONY: all test bench install clean

all:
	@tools/bootstrap.sh build
	@generator=; [ -f $(BUILD)/CMakeCache.txt ] || ! command -v ninja >/dev/null || generator="-G Ninja"; \
	    cmake -S . -B $(BUILD) $$generator -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX) --log-level=WARNING
	@cmake --build $(BUILD) -j$(JOBS)

test: all
	@ctest --test-dir $(BUILD) -j$(JOBS) --output-on-failure --no-tests=error
	@tools/not-run.sh $(BUILD)

bench: all
	@$(BUILD)/sealane-bench --results results

install: all
	@cmake --install $(BUILD)

clean:
	@rm -rf $(BUILD)
