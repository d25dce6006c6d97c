// Typed expressions: dialect-free trees over the columns of one schema. Every cast is a node, every
// call holds its function and overload; kernels never coerce.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/function/function.h"
#include "headrace/types/batch.h"
#include "headrace/types/ordering.h"

namespace headrace {

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

/// kTrailing has no spelling in SQL: from the first row whose key is behind the value of `start`
/// (which is not in it) to the current row; later peers are not seen.
enum class FrameUnit : uint8_t { kRows, kRange, kGroups, kTrailing };
enum class FrameExclusion : uint8_t { kNoOthers, kCurrentRow, kGroup, kTies };

/// One end of a frame.
struct FrameBound {
  enum class Kind : uint8_t {
    kUnboundedPreceding,
    kPreceding,
    kCurrentRow,
    kFollowing,
    kUnboundedFollowing,
  };
  Kind kind = Kind::kUnboundedPreceding;
  int64_t count = 0;  // kRows, kGroups: how many before or after
  /// kRange, kTrailing: the sort key's value at which the frame begins or ends, of the key's type.
  ExpressionPtr value;
};

/// Which rows of its partition an aggregate or first_value sees from a row. The default is SQL's;
/// without ORDER BY all rows are peers, so it is the whole partition.
struct WindowFrame {
  FrameUnit unit = FrameUnit::kRange;
  FrameBound start;
  FrameBound end{FrameBound::Kind::kCurrentRow, 0, nullptr};
  FrameExclusion exclusion = FrameExclusion::kNoOthers;
};

/// ROWS WINDOW BUFFER n ROWS: a row sees itself and the rows of its partition that came before it,
/// `rows` at most.
struct RowBuffer {
  int64_t rows = 1;
  bool only_full = false;                // rows that see fewer are not given
  std::optional<int64_t> expire_micros;  // after a longer pause the buffer begins anew
  bool operator==(const RowBuffer&) const = default;
};

/// PARTITION BY, ORDER BY and the frame of an ordered call or an aggregate, bound.
struct WindowSpec {
  std::vector<ExpressionPtr> partition_by;
  struct Key {
    ExpressionPtr expression;
    bool descending = false;
    NullPlacement nulls = NullPlacement::kLast;
  };
  std::vector<Key> order_by;
  WindowFrame frame;
  std::optional<RowBuffer> buffer;

  /// Every expression in it, in a fixed order.
  std::vector<const ExpressionPtr*> Parts() const;
  std::vector<ExpressionPtr*> Parts();
};

/// The lambda of a call such as list_transform(l, x -> x + k). What it uses of the row stands
/// behind the other arguments of the call, so that only they are over the columns of the row.
struct Lambda {
  /// Over columns of its own: the parameters, then what it uses of the row.
  ExpressionPtr body;
  std::vector<std::string> parameters;
  size_t num_values = 1;  // arguments of the call itself: the list, the first value
};

/// Immutable. Aggregate and ordered calls may stand anywhere in a tree that a front end binds; the
/// plan lifts them out before anything is evaluated.
struct Expression {
  enum class Kind : uint8_t { kColumn, kLiteral, kCall, kCast, kCallback };

  Kind kind = Kind::kLiteral;
  TypePtr type;  // for columns: the type promised by the schema, encoding included
  TextSpan span;
  int column = 0;
  std::string name;  // of the column
  ScalarPtr literal;
  const FunctionDef* function = nullptr;
  const Overload* overload = nullptr;
  std::vector<ExpressionPtr> args;
  std::shared_ptr<const WindowSpec> window;
  std::shared_ptr<const Lambda> lambda;
  bool distinct = false;
  bool try_cast = false;
  bool ignore_nulls = false;  // of an ordered call: IGNORE NULLS
  int64_t callback_id = 0;

  static ExpressionPtr Column(int index, std::string name, TypePtr type);
  static ExpressionPtr Literal(ScalarPtr value);
  static ExpressionPtr Call(const FunctionDef* function, const Overload* overload,
                            std::vector<ExpressionPtr> args, TypePtr type);
  static ExpressionPtr Cast(ExpressionPtr arg, TypePtr type, bool try_cast = false);
};

bool Equals(const Expression& left, const Expression& right);
/// "(a + 1)": for EXPLAIN and messages, in SQL spelling.
std::string ToString(const Expression& expression);
/// Columns used, sorted, without repeats.
std::vector<int> ColumnsOf(const Expression& expression);
/// A copy with every column c replaced by `replace(c)`.
ExpressionPtr ReplaceColumns(const ExpressionPtr& expression,
                             const std::function<ExpressionPtr(const Expression&)>& replace);
/// Whether a call of `kind`, at any depth, stands in the tree. An aggregate with OVER is none.
bool ContainsCall(const Expression& expression, FunctionKind kind);
/// Whether it may give another value for the same row: random(), now(), a callback.
bool IsVolatile(const Expression& expression);
bool ContainsCallback(const Expression& expression);
/// An aggregate or ordered call with OVER (or an ordered one without): a value per row.
bool IsWindowCall(const Expression& expression);
/// The terms of a conjunction (AND), flattened; the expression itself when it is none.
std::vector<ExpressionPtr> SplitConjunction(const ExpressionPtr& expression);

}  // namespace headrace
