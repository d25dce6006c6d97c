// Checks of our own invariants. A failed check is our bug: it throws InvariantError, which the task
// boundary and the front ends catch; it fails the query, never the process.
#pragma once

#include <stdexcept>
#include <string>

namespace headrace {

/// The only type this project throws. Caught where a driver steps and where a front end is entered.
class InvariantError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void FailCheck(const char* file, int line, const char* condition,
                            const std::string& message);

}  // namespace headrace

/// Always on. `message` is evaluated only on failure.
#define HEADRACE_CHECK(condition, message)                              \
  do {                                                                  \
    if (!(condition)) [[unlikely]] {                                    \
      ::headrace::FailCheck(__FILE__, __LINE__, #condition, (message)); \
    }                                                                   \
  } while (false)

/// On in builds without NDEBUG.
#ifdef NDEBUG
#define HEADRACE_DCHECK(condition, message) \
  do {                                      \
  } while (false)
#else
#define HEADRACE_DCHECK(condition, message) HEADRACE_CHECK(condition, message)
#endif
