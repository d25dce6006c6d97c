// What all casts share: rows that do not fit are noted, then raised, nulled (TRY_CAST) or, when
// they are not active, left.
#pragma once

#include <cstring>
#include <vector>

#include "headrace/function/view.h"

namespace headrace {

/// One cast. `from` and `to` are plain.
struct CastCall {
  const arrow::Array& from;
  const TypePtr& to;
  bool try_cast;
  const Rows& rows;
  arrow::MemoryPool* pool;
};

/// The validity bits of `array` from bit 0, null when there are no nulls.
Result<std::shared_ptr<arrow::Buffer>> CopyValidity(const arrow::Array& array,
                                                    arrow::MemoryPool* pool);

/// Ends a cast: `misfits` (sorted rows, none null) become nulls of `bits`, or the first active one
/// the error.
Result<std::shared_ptr<arrow::Buffer>> SettleMisfits(const CastCall& call,
                                                     const std::vector<int64_t>& misfits,
                                                     ErrorKind kind);

/// "cannot cast 'abc' to int64".
Status CannotCast(const CastCall& call, int64_t row, ErrorKind kind);
Status NoSuchCast(const arrow::DataType& from, const arrow::DataType& to);

/// An array of call.to with `values` and the nulls that `misfits` leave.
Result<ArrayPtr> FinishCast(const CastCall& call, std::shared_ptr<arrow::Buffer> values,
                            const std::vector<int64_t>& misfits, ErrorKind kind);

/// A cast to fixed-width values: `convert(row, &out)` gives whether the row fits.
template <typename Out, typename Convert>
Result<ArrayPtr> CastRows(const CastCall& call, ErrorKind kind, const Convert& convert) {
  const int64_t length = call.from.length();
  const Validity valid(call.from);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Out>::Make(length, call.pool));
  std::vector<int64_t> misfits;
  for (int64_t row = 0; row < length; ++row) {
    Out value{};
    if (valid[row] && !convert(row, &value)) {
      misfits.push_back(row);
      value = Out{};
    }
    out.data()[row] = value;
  }
  return FinishCast(call, out.FinishBuffer(), misfits, kind);
}

/// The same where `convert` may see any row, null ones too, and leaves something in out all the
/// same: the rows that do not fit are looked for when there are some.
template <typename Out, typename Convert>
Result<ArrayPtr> CastAllRows(const CastCall& call, ErrorKind kind, const Convert& convert) {
  ARROW_ASSIGN_OR_RAISE(auto out, Output<Out>::Make(call.from.length(), call.pool));
  Out* const values = out.data();
  bool fits = true;
  for (int64_t row = 0; row < call.from.length(); ++row) fits &= convert(row, values + row);
  if (fits) return FinishCast(call, out.FinishBuffer(), {}, kind);
  return CastRows<Out>(call, kind, convert);
}

/// The same to booleans.
template <typename Convert>
Result<ArrayPtr> CastToBits(const CastCall& call, const Convert& convert) {
  const int64_t length = call.from.length();
  const Validity valid(call.from);
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(length, call.pool));
  std::vector<int64_t> misfits;
  for (int64_t row = 0; row < length; ++row) {
    bool value = false;
    if (valid[row] && !convert(row, &value)) misfits.push_back(row);
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, value);
  }
  return FinishCast(call, std::move(bits), misfits, ErrorKind::kBadData);
}

// The families, each in its own file.
Result<ArrayPtr> CastNumber(const CastCall& call);    // boolean and numbers among each other
Result<ArrayPtr> CastFromText(const CastCall& call);  // utf8 to anything flat
Result<ArrayPtr> CastToText(const CastCall& call);    // anything to utf8
Result<ArrayPtr> CastTemporal(const CastCall& call);  // dates, times, timestamps, durations
Result<ArrayPtr> CastNested(const CastCall& call);    // lists, structs and maps elementwise

bool IsCastNumber(const arrow::DataType& type);
bool IsCastTemporal(const arrow::DataType& type);
/// Units of a temporal type in a second.
int64_t UnitsPerSecond(const arrow::DataType& type);

}  // namespace headrace
