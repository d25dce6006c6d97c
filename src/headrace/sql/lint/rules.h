// Rules that look at the tree of a statement, before it is bound.
#pragma once

#include <vector>

#include "headrace/sql/ast.h"
#include "headrace/sql/lint/lint.h"

namespace headrace {
class Session;
}

namespace headrace::sql {

/// What the rules find in `statement`; spans are those of its text. Names are looked up in the
/// catalog of `session`, which has what the statements before made. A diagnostic that
/// `MayBeRefused` becomes an error when the statement cannot be bound.
std::vector<Diagnostic> CheckStatement(const Session& session, const Statement& statement);

/// Whether a rule of this code speaks of what the binder may refuse too.
bool MayBeRefused(std::string_view code);

}  // namespace headrace::sql
