// KnowsExtent: what sources are besides that know how much there is to read, for progress.
#pragma once

#include <cstdint>
#include <optional>

namespace headrace {

/// Of all readers of a source together. Figures of one moment need not fit each other exactly.
struct ReadExtent {
  std::optional<int64_t> rows_total;
  std::optional<int64_t> bytes_total;
  int64_t bytes_read = 0;
};

/// Thread safe.
class KnowsExtent {
 public:
  virtual ~KnowsExtent() = default;
  virtual ReadExtent extent() const = 0;
};

}  // namespace headrace
