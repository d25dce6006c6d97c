// typeof: the name of a type.
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "headrace/function/define.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

Result<ArrayPtr> TypeOf(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const arrow::StringScalar name(SqlNameOf(*args[0].array->type()));
  return arrow::MakeArrayFromScalar(name, rows.length, ctx.pool);
}

constexpr Overload kTypeOfForm[] = {
    {.args = kArgs<ArgPattern::kAny>, .result = StringType, .scalar = TypeOf}};
constexpr Example kTypeOfExamples[] = {{"typeof('a')", "VARCHAR"},
                                       {"typeof(list_value(1.5))", "DECIMAL(2, 1)[]"},
                                       {"typeof(CAST(NULL AS DATE))", "DATE"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kTypeOf) = {
    .id = "typeof",
    .names = {.sql = "typeof"},
    .overloads = kTypeOfForm,
    .nulls = NullRule::kKernel,
    .arguments = "x",
    .doc = "The name of the type of x, as DESCRIBE shows it.",
    .examples = kTypeOfExamples,
};

}  // namespace headrace
