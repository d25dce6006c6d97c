// SUMMARIZE: a row of figures per column.
#include "headrace/sql/binder.h"

namespace headrace::sql {

Result<PlanPtr> Binder::BindSummary(const Statement& statement) {
  return WithSpan(Error(ErrorKind::kUnsupported, "SUMMARIZE is not supported"),
                  statement.query->span);
}

}  // namespace headrace::sql
