# What tools/numa-guest.sh boots, made only for it: `make test-numa`.  The test has the shared library, so that the mutant's functions
# stand before what it and hwloc call.
add_executable(numa_pool EXCLUDE_FROM_ALL
  numa/numa_pool.c numa/case_change.c numa/case_memory.c numa/case_slices.c numa/case_workers.c numa/guest.c numa/load.c)
sealane_internal_includes(numa_pool)
target_link_libraries(numa_pool PRIVATE sealane-shared Threads::Threads)
add_library(numa_mutant MODULE EXCLUDE_FROM_ALL numa/mutant.c)
set_target_properties(numa_mutant PROPERTIES PREFIX "" C_VISIBILITY_PRESET default)
target_link_libraries(numa_mutant PRIVATE ${CMAKE_DL_LIBS})
add_executable(guest_exit EXCLUDE_FROM_ALL numa/guest_exit.c)
target_link_options(guest_exit PRIVATE -static)
set_target_properties(numa_pool numa_mutant guest_exit PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/numa LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/numa)
add_custom_target(numa DEPENDS numa_pool numa_mutant guest_exit test_topology sealane-bench)
