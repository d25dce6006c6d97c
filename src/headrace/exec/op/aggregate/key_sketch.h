// KeySketch: about how many different keys came, of very many, in little memory.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace headrace {

/// HyperLogLog over hashes of keys; its estimate is within 2 % mostly. One thread.
class KeySketch {
 public:
  void Add(std::span<const uint64_t> hashes);
  int64_t num_rows() const { return num_rows_; }
  int64_t EstimatedKeys() const;
  void Clear();

 private:
  static constexpr int kBits = 12;
  std::array<uint8_t, size_t{1} << kBits> ranks_{};
  int64_t num_rows_ = 0;
};

}  // namespace headrace
