// StdoutSink: rows as JSON lines for a person or a pipe to read. Not a store: what was written is
// out, whatever becomes of its epoch.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/connect/connector.h"
#include "headrace/table/sink.h"

namespace headrace {

/// Takes text that ends with a line; called by one thread at a time, which may be the clock's.
using WriteText = std::function<Status(std::string_view text)>;

/// Takes changes: where rows may be taken back the column `_change` is written too. Text goes out
/// with each epoch, when there is much of it, and 5 ms after it came. A failure to write is told
/// by the next call.
std::unique_ptr<Sink> MakeStdoutSink(Clock& clock, WriteText write);

/// Option: format (json and its other spellings).
Result<std::unique_ptr<Sink>> CreateStdoutSink(const ConnectContext& context,
                                               const OptionMap& options);

}  // namespace headrace
