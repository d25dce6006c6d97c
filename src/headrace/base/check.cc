// The failing side of HEADRACE_CHECK.
#include "headrace/base/check.h"

#include <fmt/core.h>

namespace headrace {

void FailCheck(const char* file, int line, const char* condition, const std::string& message) {
  throw InvariantError(fmt::format("internal error (a bug in headrace): {} [{}:{}: {}]", message,
                                   file, line, condition));
}

}  // namespace headrace
