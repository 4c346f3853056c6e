# The target `portable`: the addons of a release in the folder portable/, made of the same compiled files, but linked so
# that they load where the system's libraries are as old as libtorch itself allows (scripts/release/floors.mjs).
find_program(NODE NAMES node nodejs NO_CMAKE_FIND_ROOT_PATH)
set(old_libraries_program "${CMAKE_CURRENT_SOURCE_DIR}/../scripts/release/old-libraries.mjs")
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR SANITIZE
   OR NOT NODE OR NOT EXISTS "${old_libraries_program}")
  return()
endif()

set(old_libraries "${CMAKE_BINARY_DIR}/old-libraries")
add_custom_command(
  OUTPUT "${old_libraries}/libc.so"
  COMMAND "${NODE}" "${old_libraries_program}" --compiler "${CMAKE_CXX_COMPILER}" --out "${old_libraries}"
  DEPENDS "${old_libraries_program}" "${CMAKE_CURRENT_SOURCE_DIR}/../scripts/release/floors.mjs"
  VERBATIM)
add_custom_target(old_libraries DEPENDS "${old_libraries}/libc.so")

add_library(nonshared OBJECT EXCLUDE_FROM_ALL portable/nonshared.cc)
target_compile_features(nonshared PRIVATE cxx_std_20)
target_compile_options(nonshared PRIVATE -O2 -Wall -Wextra -Werror)
set_target_properties(nonshared PROPERTIES POSITION_INDEPENDENT_CODE ON)

function(make_portable target name)
  set_target_properties(${target} PROPERTIES
    EXCLUDE_FROM_ALL ON
    OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/portable"
    LIBRARY_OUTPUT_DIRECTORY_RELEASE "${CMAKE_BINARY_DIR}/portable"
    LINK_DEPENDS "${old_libraries}/libc.so"
    SKIP_BUILD_RPATH ON)
  # Found before the system's own. The pthreads and dl of older systems are libraries of their own.
  target_link_options(${target} PRIVATE "-L${old_libraries}" -Wl,--no-as-needed -s)
  add_dependencies(${target} old_libraries)
  add_dependencies(portable ${target})
endfunction()

add_custom_target(portable)
add_engine(portable_wuerstchen $<TARGET_OBJECTS:nonshared>)
make_portable(portable_wuerstchen wuerstchen)
add_addon(portable_loader $<TARGET_OBJECTS:loader> $<TARGET_OBJECTS:platform> $<TARGET_OBJECTS:nonshared>)
make_portable(portable_loader loader)
if(TARGET wuerstchen_cuda)
  add_library(portable_wuerstchen_cuda MODULE $<TARGET_OBJECTS:cuda_recorder> $<TARGET_OBJECTS:nonshared>)
  get_target_property(libraries wuerstchen_cuda LINK_LIBRARIES)
  target_link_libraries(portable_wuerstchen_cuda PRIVATE ${libraries})
  set_target_properties(portable_wuerstchen_cuda PROPERTIES LINKER_LANGUAGE CXX)
  make_portable(portable_wuerstchen_cuda wuerstchen_cuda)
endif()
