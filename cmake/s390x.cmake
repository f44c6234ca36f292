set(machine s390x)
set(triplet s390x-linux-gnu)
set(multiarch s390x-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
