set(machine i386)
set(triplet i686-linux-gnu)
set(multiarch i386-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
