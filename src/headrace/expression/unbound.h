// Unbound expressions: what front ends build – names and literals, no types yet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/expression/expression.h"
#include "headrace/types/batch.h"
#include "headrace/types/ordering.h"

namespace headrace {

struct Unbound;
using UnboundPtr = std::shared_ptr<const Unbound>;

/// One key of ORDER BY. Without `nulls` the dialect's default holds (SQL: nulls last, ascending and
/// descending alike).
struct UnboundSortKey {
  UnboundPtr expression;
  bool descending = false;
  std::optional<NullPlacement> nulls;
};

/// A query inside an expression, as its front end knows it; only that front end binds it.
struct UnboundQuery {
  virtual ~UnboundQuery() = default;
};

/// One end of a frame; `offset` (a constant) for kPreceding and kFollowing.
struct UnboundFrameBound {
  FrameBound::Kind kind = FrameBound::Kind::kUnboundedPreceding;
  UnboundPtr offset;
};

/// ROWS | RANGE | GROUPS BETWEEN start AND end EXCLUDE …
struct UnboundFrame {
  FrameUnit unit = FrameUnit::kRange;
  UnboundFrameBound start;
  UnboundFrameBound end{FrameBound::Kind::kCurrentRow, nullptr};
  FrameExclusion exclusion = FrameExclusion::kNoOthers;
};

/// OVER (PARTITION BY … ORDER BY … frame).
struct UnboundWindow {
  std::string base;  // the named window that this one extends; resolved before binding
  std::vector<UnboundPtr> partition_by;
  std::vector<UnboundSortKey> order_by;
  std::optional<UnboundFrame> frame;
  std::optional<RowBuffer> buffer;
};

/// Immutable. Which fields count depends on the kind.
struct Unbound {
  enum class Kind : uint8_t {
    kColumn,     // path: [table,] column
    kLiteral,    // literal
    kCall,       // name, args and all that may stand with them; operators go by their symbol
    kCast,       // args[0], type, try_cast
    kStar,       // path: empty or [table]
    kCallback,   // callback_id, args, type
    kQuery,      // query, name (how its rows are used), args
    kLambda,     // arg_names (of the parameters), args[0] (the body), lambda_id
    kParameter,  // name, lambda_id (of the lambda that it belongs to)
  };

  Kind kind = Kind::kLiteral;
  TextSpan span;
  std::vector<std::string> path;
  ScalarPtr literal;
  std::string name;
  std::vector<UnboundPtr> args;
  std::vector<std::string> arg_names;  // beside args, where names were given: f(name := value)
  bool distinct = false;
  UnboundPtr filter;                     // of an aggregate
  std::vector<UnboundSortKey> order_by;  // of the rows that an aggregate sees
  bool try_cast = false;
  bool ignore_nulls = false;
  TypePtr type;
  std::shared_ptr<const UnboundWindow> window;
  std::shared_ptr<const UnboundQuery> query;
  int64_t callback_id = 0;
  int64_t lambda_id = 0;  // one per lambda of a text

  static UnboundPtr Column(std::vector<std::string> path, TextSpan span = {});
  static UnboundPtr Literal(ScalarPtr value, TextSpan span = {});
  static UnboundPtr Call(std::string name, std::vector<UnboundPtr> args, TextSpan span = {});
  static UnboundPtr Cast(UnboundPtr arg, TypePtr type, bool try_cast = false, TextSpan span = {});
  static UnboundPtr Star(std::vector<std::string> path = {}, TextSpan span = {});
  static UnboundPtr Callback(int64_t id, std::vector<UnboundPtr> args, TypePtr type);
};

/// A lambda of `names` over `body`, whose columns of these names become its parameters; fields of
/// them too. `id` is no other lambda's in the text.
UnboundPtr MakeLambda(std::vector<std::string> names, const UnboundPtr& body, int64_t id,
                      TextSpan span);

/// What `visit` gives for a node replaces it, whole; null goes on with the node's parts, window and
/// filter included. Unchanged trees are shared.
using UnboundVisit = std::function<Result<UnboundPtr>(const UnboundPtr&)>;
Result<UnboundPtr> TransformUnbound(const UnboundPtr& expression, const UnboundVisit& visit);

UnboundPtr TextLiteral(const std::string& text, TextSpan span = {});

/// Whether a subquery stands in it.
bool HoldsQuery(const UnboundPtr& expression);

/// The name an expression has when none is given: a column's own, else its text in SQL.
std::string DefaultName(const Unbound& expression);

}  // namespace headrace
