set(machine aarch64)
set(triplet aarch64-linux-gnu)
set(multiarch aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
