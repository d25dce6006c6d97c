// For tests: short spellings of unbound expressions, binding and evaluation over columns x, y, z.
#pragma once

#include <string>
#include <vector>

#include "arrow/compute/initialize.h"
#include "arrow/scalar.h"
#include "headrace/expression/bind.h"
#include "headrace/expression/evaluate.h"
#include "headrace/function/test_arrays.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"

namespace headrace {

inline const bool kComputeIsReady = arrow::compute::Initialize().ok();

inline UnboundPtr Col(const std::string& name) { return Unbound::Column({name}); }
inline UnboundPtr Lit(ScalarPtr value) { return Unbound::Literal(std::move(value)); }
inline UnboundPtr Lit(int64_t value) { return Lit(arrow::MakeScalar(value)); }
inline UnboundPtr Lit(double value) { return Lit(arrow::MakeScalar(value)); }
inline UnboundPtr Lit(bool value) { return Lit(arrow::MakeScalar(value)); }
inline UnboundPtr Lit(const char* value) { return Lit(arrow::MakeScalar(std::string(value))); }
inline UnboundPtr Null() { return Lit(arrow::MakeNullScalar(arrow::null())); }
inline UnboundPtr Decimal(const std::string& value, int precision, int scale) {
  return Lit(FromJson(arrow::decimal128(precision, scale), "[\"" + value + "\"]")
                 ->GetScalar(0)
                 .ValueOrDie());
}
inline UnboundPtr Fn(std::string name, std::vector<UnboundPtr> args) {
  return Unbound::Call(std::move(name), std::move(args));
}

/// A batch of columns called x, y, z.
inline Batch Columns(std::vector<ArrayPtr> columns) {
  const int64_t rows = columns.empty() ? 1 : columns.front()->length();
  return Batch(std::move(columns), rows);
}

inline Scope ScopeOf(const Batch& batch) {
  Scope scope;
  const char* names[] = {"x", "y", "z"};
  for (size_t i = 0; i < batch.columns().size(); ++i) {
    scope.Add("t", names[i], batch.columns()[i]->type());
  }
  return scope;
}

inline Result<ArrayPtr> Eval(const UnboundPtr& unbound, const Batch& batch) {
  ARROW_ASSIGN_OR_RAISE(auto bound, Bind(*unbound, ScopeOf(batch), Dialect::kSql));
  ARROW_ASSIGN_OR_RAISE(auto evaluator, Evaluator::Make({bound}));
  ARROW_ASSIGN_OR_RAISE(auto arrays, evaluator.Evaluate(batch, TestPool()));
  ARROW_RETURN_NOT_OK(arrays[0]->ValidateFull());
  return arrays[0];
}

/// The type and value of an expression over no columns: "int64 3"; or the error, without the
/// expression that it is in.
inline std::string EvalText(const UnboundPtr& unbound) {
  const auto array = Eval(unbound, Columns({}));
  if (!array.ok()) {
    const std::string message = array.status().message();
    return message.starts_with("in ") ? message.substr(message.find(": ") + 2) : message;
  }
  return (*array)->type()->ToString() + " " + FormatValue(**array, 0);
}

/// `array` in every representation of its logical type.
inline std::vector<std::pair<std::string, ArrayPtr>> Representations(const ArrayPtr& array) {
  std::vector<std::pair<std::string, ArrayPtr>> all = {{"plain", array}, {"sliced", Sliced(array)}};
  const auto add = [&](const std::string& name, const TypePtr& type) {
    const auto encoded = Encode(array, type, TestPool());
    ASSERT_TRUE(encoded.ok()) << encoded.status().ToString();
    all.emplace_back(name, *encoded);
    all.emplace_back("sliced " + name, Sliced(*encoded));
  };
  switch (array->type_id()) {
    case arrow::Type::STRING:
      add("large", arrow::large_utf8());
      add("view", arrow::utf8_view());
      [[fallthrough]];
    case arrow::Type::INT64:
    case arrow::Type::DOUBLE:
    case arrow::Type::DATE32:
      add("dictionary", arrow::dictionary(arrow::int32(), array->type()));
      add("small dictionary", arrow::dictionary(arrow::int8(), array->type()));
      break;
    default:
      break;
  }
  return all;
}

}  // namespace headrace
