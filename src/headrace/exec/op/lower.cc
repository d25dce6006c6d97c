// The table of lowerings.
#include "headrace/exec/op/lower.h"

namespace headrace {
namespace {

constexpr LoweringRow kLowerings[] = {
#define HEADRACE_LOWERING(node, function) {node, function},
#include "headrace/exec/op/list.inc"
#undef HEADRACE_LOWERING
};

}  // namespace

std::span<const LoweringRow> AllLowerings() { return kLowerings; }

}  // namespace headrace
