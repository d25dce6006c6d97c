// What is appended, prepared and committed, and who may do it.
#include "headrace/connect/memory/memory_stream.h"

#include <algorithm>
#include <utility>

#include "arrow/array.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using Call = MemoryFault::Call;
using Effect = MemoryFault::Effect;

std::string TextOf(const arrow::Schema& schema) {
  std::string text;
  for (const auto& field : schema.fields()) {
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", field->name(), SqlNameOf(*field->type()));
  }
  return text;
}

bool HaveSameColumns(const arrow::Schema& a, const arrow::Schema& b) {
  return std::equal(a.fields().begin(), a.fields().end(), b.fields().begin(), b.fields().end(),
                    [](const auto& left, const auto& right) {
                      return left->name() == right->name() && left->type()->Equals(right->type());
                    });
}

}  // namespace

Status MemoryStream::Declare(const SchemaPtr& schema) {
  const std::lock_guard lock(mutex_);
  return DeclareHere(schema);
}

Status MemoryStream::DeclareHere(const SchemaPtr& schema) {
  if (schema_ == nullptr) schema_ = schema;
  if (HaveSameColumns(*schema_, *schema)) return Status::OK();
  return Error(ErrorKind::kTypeMismatch,
               "memory stream {} has the columns ({}) until it is cleared; got ({})", name_,
               TextOf(*schema_), TextOf(*schema));
}

SchemaPtr MemoryStream::schema() const {
  const std::lock_guard lock(mutex_);
  return schema_;
}

Status MemoryStream::Append(const arrow::RecordBatch& rows) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) {
      return Error(ErrorKind::kInvalidArgument, "memory stream {} has ended until it is cleared",
                   name_);
    }
    ARROW_RETURN_NOT_OK(DeclareHere(rows.schema()));
    AppendHere(rows.Slice(0));
  }
  WakeReaders();
  return Status::OK();
}

void MemoryStream::End() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  WakeReaders();
}

Status MemoryStream::Clear() {
  const std::lock_guard lock(mutex_);
  if (!readers_.empty()) {
    return Error(ErrorKind::kInvalidArgument, "memory stream {} cannot be cleared: a job reads it",
                 name_);
  }
  schema_ = nullptr;
  rows_.clear();
  starts_ = {0};
  ended_ = false;
  faults_ = {};
  prepared_.clear();
  committed_epoch_ = -1;
  ++writer_;
  return Status::OK();
}

MemoryStream::Batches MemoryStream::Rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

int64_t MemoryStream::num_rows() const {
  const std::lock_guard lock(mutex_);
  return starts_.back();
}

void MemoryStream::AppendHere(std::shared_ptr<arrow::RecordBatch> rows) {
  if (rows->num_rows() == 0) return;
  starts_.push_back(starts_.back() + rows->num_rows());
  rows_.push_back(std::move(rows));
}

/// Without the lock: who is woken may read at once.
void MemoryStream::WakeReaders() const {
  std::vector<Waker> wakers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [reader, waker] : readers_) wakers.push_back(waker);
  }
  for (const Waker& waker : wakers) waker.Wake();
}

void MemoryStream::AddFaults(const std::vector<MemoryFault>& faults) {
  const std::lock_guard lock(mutex_);
  faults_.Add(faults);
}

int64_t MemoryStream::calls(Call call) const {
  const std::lock_guard lock(mutex_);
  return faults_.calls(call);
}

int64_t MemoryStream::Subscribe(Waker waker) {
  const std::lock_guard lock(mutex_);
  readers_.emplace(++next_reader_, std::move(waker));
  return next_reader_;
}

void MemoryStream::Unsubscribe(int64_t reader) {
  const std::lock_guard lock(mutex_);
  readers_.erase(reader);
}

MemoryStream::Fetched MemoryStream::FetchFrom(int64_t begin, int64_t rows_max) const {
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), begin);
  const auto& rows = rows_[static_cast<size_t>(next - starts_.begin() - 1)];
  const int64_t length = std::min(*next - begin, rows_max);
  return {Batch::FromRecordBatch(*rows->Slice(begin - *(next - 1), length)), begin};
}

Result<MemoryStream::Fetch> MemoryStream::Read(int64_t begin, int64_t rows_max) {
  const std::lock_guard lock(mutex_);
  if (begin >= starts_.back()) return ended_ ? Fetch(EndOfSplit{}) : Fetch(Pending{});
  switch (faults_.Take(Call::kRead)) {
    case Effect::kFail:
      return Error(ErrorKind::kIo, "memory stream {}: read {} failed", name_,
                   faults_.calls(Call::kRead));
    case Effect::kLose:
      return Fetch(Fetched{FetchFrom(begin, rows_max).rows.Slice(0, 0), begin});
    case Effect::kRepeat:
      return Fetch(FetchFrom(std::max<int64_t>(0, begin - rows_max / 2), rows_max));
    default:
      return Fetch(FetchFrom(begin, rows_max));
  }
}

Status MemoryStream::CheckWriter(int64_t writer) const {
  if (writer == dead_writer_) {
    return Error(ErrorKind::kIo, "memory stream {}: its writer has died", name_);
  }
  if (writer == writer_) return Status::OK();
  return Error(ErrorKind::kIo, "memory stream {}: fenced off by writer {}, this is writer {}",
               name_, writer_, writer);
}

Status MemoryStream::TakeTurn(int64_t writer, Call call, const char* name, bool* does_it) {
  ARROW_RETURN_NOT_OK(CheckWriter(writer));
  const Effect effect = faults_.Take(call);
  *does_it = effect == Effect::kNone || effect == Effect::kLose;
  if (effect == Effect::kNone) return Status::OK();
  if (effect == Effect::kDie) dead_writer_ = writer;
  if (effect == Effect::kFence) ++writer_;
  if (effect == Effect::kDie || effect == Effect::kFence) return CheckWriter(writer);
  return Error(ErrorKind::kIo, "memory stream {}: {} {} {}", name_, name, faults_.calls(call),
               effect == Effect::kLose ? "was not answered" : "failed");
}

Result<int64_t> MemoryStream::OpenWriter(const SchemaPtr& schema) {
  const std::lock_guard lock(mutex_);
  ARROW_RETURN_NOT_OK(DeclareHere(schema));
  return ++writer_;
}

Status MemoryStream::BeginAt(int64_t writer, int64_t epoch) {
  const std::lock_guard lock(mutex_);
  ARROW_RETURN_NOT_OK(CheckWriter(writer));
  prepared_.erase(prepared_.upper_bound(epoch), prepared_.end());
  if (epoch < 0) committed_epoch_ = -1;
  return Status::OK();
}

Status MemoryStream::Write(int64_t writer) {
  const std::lock_guard lock(mutex_);
  bool does_it = false;
  return TakeTurn(writer, Call::kWrite, "write", &does_it);
}

Status MemoryStream::Prepare(int64_t writer, int64_t epoch, Batches rows) {
  const std::lock_guard lock(mutex_);
  bool does_it = false;
  const Status answer = TakeTurn(writer, Call::kPrepare, "prepare", &does_it);
  if (does_it) prepared_[epoch] = std::move(rows);
  return answer;
}

Status MemoryStream::Commit(int64_t writer, int64_t epoch) {
  std::unique_lock lock(mutex_);
  bool does_it = false;
  const Status answer = TakeTurn(writer, Call::kCommit, "commit", &does_it);
  if (!does_it || epoch <= committed_epoch_) return answer;
  if (!prepared_.contains(epoch)) {
    return Error(ErrorKind::kStale,
                 "memory stream {} has no epoch {} to commit: what is in memory ends with its "
                 "process, so the state of the job is to be given up too",
                 name_, epoch);
  }
  while (!prepared_.empty() && prepared_.begin()->first <= epoch) {
    for (auto& rows : prepared_.begin()->second) AppendHere(std::move(rows));
    prepared_.erase(prepared_.begin());
  }
  committed_epoch_ = epoch;
  lock.unlock();
  WakeReaders();
  return answer;
}

MemoryStreamPtr MemoryStreams::Find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  MemoryStreamPtr& stream = streams_[name];
  if (stream == nullptr) stream = std::make_shared<MemoryStream>(name);
  return stream;
}

}  // namespace headrace
