# The kernels, once for each kind of CPU; which one runs is decided when the addon is loaded. Gives the names of their
# libraries in kernel_rooms and what kinds.cc is to know in kernel_definitions.
set(kernel_rooms)
set(kernel_definitions)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  # Vector lanes, registers, whether fours of bytes and pairs of bfloat16 are multiplied at once, and the compiler's flags.
  function(add_kernels name lanes registers fours pairs)
    add_library(kernels_${name} OBJECT "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/simd.cc")
    target_compile_definitions(kernels_${name} PRIVATE
      KERNEL_NAME="${name}" KERNEL_NAMESPACE=${name} KERNEL_LANES=${lanes} KERNEL_REGISTERS=${registers}
      KERNEL_FOURS=${fours} KERNEL_PAIRS=${pairs})
    # GCC 12 takes the registers that its own intrinsics leave undefined for mistakes. GCC orders instructions before it
    # gives them registers on Arm alone, and then has too few for a tile.
    target_compile_options(kernels_${name} PRIVATE
      -O3 -fno-math-errno -Wno-psabi $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
      $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns> ${ARGN})
    set(kernel_rooms ${kernel_rooms} kernels_${name} PARENT_SCOPE)
  endfunction()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT APPLE)
    set(avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mf16c)
    add_kernels(avx2 8 16 0 0 -mavx2 -mfma -mf16c)
    add_kernels(avx512 16 32 0 0 ${avx512})
    add_kernels(avx512_vnni 16 32 1 0 ${avx512} -mavx512vnni)
    add_kernels(avx512_bf16 16 32 1 1 ${avx512} -mavx512vnni -mavx512bf16)
    set(kernel_definitions KERNELS_X86)
    if(EMULATE_AMX)
      add_kernels(amx 16 32 0 0 ${avx512})
      target_compile_definitions(kernels_amx PRIVATE KERNEL_AMX_EMULATED=1)
      list(APPEND kernel_definitions EMULATE_AMX)
    else()
      add_kernels(amx 16 32 1 1 ${avx512} -mavx512vnni -mavx512bf16 -mamx-tile -mamx-bf16 -mamx-int8)
    endif()
    target_compile_definitions(kernels_amx PRIVATE KERNEL_AMX=1)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    add_kernels(neon 4 32 0 0)
    add_kernels(neon_dotprod 4 32 1 0 -march=armv8.2-a+dotprod)
    add_kernels(neon_bf16 4 32 1 1 -march=armv8.2-a+dotprod+bf16+i8mm)
    foreach(name neon neon_dotprod neon_bf16)
      target_compile_definitions(kernels_${name} PRIVATE KERNEL_ARM=1)
    endforeach()
    target_compile_definitions(kernels_neon_dotprod PRIVATE KERNEL_SIGNED_FOURS=1)
    set(kernel_definitions KERNELS_ARM)
  endif()
endif()
