# Finds Arrow C++: an installed CMake package of the right major version, else the SDK inside the pyarrow wheel
# of Python_EXECUTABLE (headers and shared libraries, but no CMake package of its own).
# Defines Arrow::arrow, Arrow::compute and Parquet::parquet, and PyArrow_VERSION.
#
# OpenSSL: the wheel's libparquet exports a whole libcrypto of its own, unversioned. Whatever links the system's
# libssl, directly or through libcurl, librdkafka and the like, must put
#   -Wl,--no-as-needed -lssl -lcrypto -Wl,--as-needed
# before these libraries on the link line, or libssl binds to the wrong libcrypto.

set(PyArrow_MAJOR 26)

find_package(Arrow ${PyArrow_MAJOR} CONFIG QUIET)
if(Arrow_FOUND)
  find_package(ArrowCompute ${PyArrow_MAJOR} CONFIG REQUIRED)
  find_package(Parquet ${PyArrow_MAJOR} CONFIG REQUIRED)
  add_library(Arrow::arrow ALIAS Arrow::arrow_shared)
  add_library(Arrow::compute ALIAS ArrowCompute::arrow_compute_shared)
  add_library(Parquet::parquet ALIAS Parquet::parquet_shared)
  set(PyArrow_VERSION ${Arrow_VERSION})
  set(PyArrow_FOUND TRUE)
  return()
endif()

execute_process(
  COMMAND "${Python_EXECUTABLE}" -c
          "import pyarrow; print(pyarrow.get_include(), pyarrow.get_library_dirs()[0], pyarrow.__version__, pyarrow.cpp_build_info.so_version, sep=';')"
  OUTPUT_VARIABLE PyArrow_ANSWER OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_VARIABLE PyArrow_ERROR RESULT_VARIABLE PyArrow_RESULT)
if(NOT PyArrow_RESULT EQUAL 0)
  message(FATAL_ERROR "no Arrow C++ ${PyArrow_MAJOR} and no pyarrow in ${Python_EXECUTABLE}:\n${PyArrow_ERROR}")
endif()
list(GET PyArrow_ANSWER 0 PyArrow_INCLUDE_DIR)
list(GET PyArrow_ANSWER 1 PyArrow_LIBRARY_DIR)
list(GET PyArrow_ANSWER 2 PyArrow_VERSION)
list(GET PyArrow_ANSWER 3 PyArrow_SO_VERSION)
if(NOT PyArrow_VERSION MATCHES "^${PyArrow_MAJOR}\\.")
  message(FATAL_ERROR "expected pyarrow ${PyArrow_MAJOR}.*, found ${PyArrow_VERSION} in ${PyArrow_LIBRARY_DIR}")
endif()

# Headers are copied once per version: object files then depend on a path that stays the same when the tree is
# configured for another Python (`pip install .` in isolation), and only the links are done again.
set(PyArrow_HEADERS "${PROJECT_BINARY_DIR}/pyarrow-${PyArrow_VERSION}")
if(NOT EXISTS "${PyArrow_HEADERS}/include/arrow/api.h")
  file(COPY "${PyArrow_INCLUDE_DIR}" DESTINATION "${PyArrow_HEADERS}")
endif()

function(pyarrow_import target file)
  add_library(${target} SHARED IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${PyArrow_LIBRARY_DIR}/lib${file}.so.${PyArrow_SO_VERSION}"
    IMPORTED_SONAME "lib${file}.so.${PyArrow_SO_VERSION}"
    INTERFACE_INCLUDE_DIRECTORIES "${PyArrow_HEADERS}/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()
pyarrow_import(Arrow::arrow arrow)
pyarrow_import(Arrow::compute arrow_compute Arrow::arrow)
pyarrow_import(Parquet::parquet parquet Arrow::arrow)
set(PyArrow_FOUND TRUE)
