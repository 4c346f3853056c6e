{
  # The loader: no libtorch, so it builds and loads everywhere. The engine is cpp/CMakeLists.txt.
  'targets': [{
    'target_name': 'loader',
    'sources': [
      'cpp/loader/addon.cc',
      'cpp/loader/libraries.cc',
      'cpp/platform/library_posix.cc',
      'cpp/platform/library_windows.cc',
      'cpp/platform/windows.cc',
    ],
    'include_dirs': ['cpp', '<!(node -p "require(\'node-addon-api\').include_dir")'],
    'defines': [
      'NAPI_VERSION=9',
      'NODE_ADDON_API_CPP_EXCEPTIONS_ALL',
      'NODE_ADDON_API_DISABLE_DEPRECATED',
      'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
    ],
    'cflags': ['-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++20', '-fexceptions'],
    'conditions': [
      ['OS == "linux"', { 'libraries': ['-ldl'], 'ldflags': ['-Wl,-z,nodelete'] }],
      ['OS == "mac"', {
        'xcode_settings': {
          'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
          'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
          'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
          'MACOSX_DEPLOYMENT_TARGET': '12.0',
          'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Werror'],
        },
      }],
    ],
  }],
}
