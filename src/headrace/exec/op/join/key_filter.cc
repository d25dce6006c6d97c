// Life of a KeyFilter.
#include "headrace/exec/op/join/key_filter.h"

#include <cstring>

namespace headrace {

KeyFilter::KeyFilter(Reservation room)
    : room_(std::move(room)),
      num_words_(static_cast<uint64_t>(room_.bytes()) / sizeof(uint64_t)),
      block_(AllocateBlock(num_words_ * sizeof(uint64_t))) {
  std::memset(block_.get(), 0, num_words_ * sizeof(uint64_t));
}

}  // namespace headrace
