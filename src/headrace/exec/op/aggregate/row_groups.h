// RowGroups: groups of kept rows, made by sorting the rows by the hashes of their keys. Everything
// is read and written in one direction: no table is larger than a cache.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "headrace/exec/key/row_blocks.h"
#include "headrace/exec/key/sort_words.h"
#include "headrace/exec/op/aggregate/group_store.h"
#include "headrace/exec/op/aggregate/row_form.h"

namespace headrace {

/// Groups come in the order of their hashes, then of their keys. One thread.
class RowGroups {
 public:
  /// `states`: groups that are known already, linked; it outlives this. `hash_bits`: how many bits
  /// of the hash all keys share. `groups_max`: how many groups are in work at a time.
  RowGroups(const RowForm& form, const GroupStore& states, int hash_bits, int64_t groups_max,
            std::shared_ptr<MemoryBudget> budget, arrow::MemoryPool* pool);
  ~RowGroups();

  /// Memory is reserved before: 0, or the bytes that were not granted.
  int64_t Load(Batch rows);
  /// All rows are loaded.
  Status Sort();

  int64_t num_rows() const { return num_rows_; }
  /// Of the rows that are loaded.
  int64_t num_bytes() const { return num_bytes_; }
  int64_t reserved_bytes() const {
    return columns_reservation_.bytes() + words_reservation_.bytes();
  }

  bool at_end() const { return chunk_begin_ == words_.size(); }
  /// Makes reservations what states own. 0, or the bytes that were not granted, which are to be
  /// asked for and settled again.
  int64_t Settle();
  /// Goes on with the next groups; gives their keys, results and first rows once they are
  /// done. REQUIRES: settled; not at the end.
  Result<std::optional<Batch>> Next(std::span<KernelContext> contexts);

 private:
  /// A word of a group of states has this bit in `low`, beside its id; others have a row.
  static constexpr uint64_t kIsState = uint64_t{1} << 32;
  static bool IsState(const SortWord& word) { return (word.low & kIsState) != 0; }
  static uint32_t IndexOf(const SortWord& word) { return static_cast<uint32_t>(word.low); }

  void Shrink();
  void MakeWords();
  void SortBucket();
  void SortByKey(size_t begin, size_t end);
  std::pair<uint8_t, uint64_t> FixedKeyOf(const SortWord& word) const;
  std::string_view BytesKeyOf(const SortWord& word) const;
  bool SameKey(const SortWord& left, const SortWord& right) const;
  bool KeyLess(const SortWord& left, const SortWord& right) const;
  void StartChunk();
  bool IsFull() const;
  Status AddSome(std::span<KernelContext> contexts);
  Status AddRows(std::span<KernelContext> contexts);
  Result<Batch> EndChunk(std::span<KernelContext> contexts);
  Result<std::vector<ArrayPtr>> Keys() const;
  void DropStates();

  const RowForm& form_;
  const AggregateTerms& terms_;
  const GroupStore& states_;
  const int hash_bits_;
  const size_t groups_max_;
  arrow::MemoryPool* const pool_;
  Reservation columns_reservation_;
  Reservation words_reservation_;
  Reservation extra_reservation_;  // of what states own

  std::vector<Batch> loaded_;
  int64_t num_rows_ = 0;
  int64_t num_bytes_ = 0;
  Batch rows_;        // columns that no call reads are null
  EncodedKeys keys_;  // without hashes and values, which follow from words
  std::vector<SortWord> words_;
  std::vector<size_t> bucket_ends_;  // those in front are sorted
  size_t next_bucket_ = 0;
  size_t sorted_end_ = 0;

  // The groups in work: words [chunk_begin_, chunk_end_).
  size_t chunk_begin_ = 0;
  size_t chunk_end_ = 0;
  size_t added_end_ = 0;
  std::vector<uint32_t> first_words_;     // per group, from chunk_begin_
  size_t group_ = 0;                      // of the word at added_end_
  BlockPtr block_;                        // room for groups_max_ states
  std::vector<std::byte*> group_states_;  // of the groups in work
  std::vector<uint32_t> indices_;         // rows to be added
  std::vector<std::byte*> row_states_;
};

}  // namespace headrace
