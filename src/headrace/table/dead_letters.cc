// The box and the rows of dead letters.
#include "headrace/table/dead_letters.h"

#include <utility>

#include "arrow/array/builder_binary.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "arrow/util/utf8.h"

namespace headrace {
namespace {

std::string AsText(const std::string& bytes) {
  arrow::util::InitializeUTF8();
  if (arrow::util::ValidateUTF8(bytes)) return bytes;
  std::string text = "\\x";
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace

std::shared_ptr<DeadLetters> DeadLetters::OfScan(int scan) const {
  auto letters = std::make_shared<DeadLetters>(*this);
  letters->scan_ = scan;
  return letters;
}

bool DeadLetters::HasRoom(const Waker& waker) {
  const std::lock_guard lock(box_->mutex);
  if (box_->bytes < box_->bytes_max) return true;
  box_->wakers.push_back(waker);
  return false;
}

void DeadLetters::Add(DeadLetter letter) {
  letter.scan = scan_;
  const std::lock_guard lock(box_->mutex);
  box_->bytes +=
      static_cast<int64_t>(sizeof letter + letter.source.size() + letter.position.size() +
                           letter.error.size() + letter.payload.size());
  box_->letters.push_back(std::move(letter));
}

std::vector<DeadLetter> DeadLetters::Take() {
  std::vector<Waker> wakers;
  std::vector<DeadLetter> letters;
  {
    const std::lock_guard lock(box_->mutex);
    letters.swap(box_->letters);
    wakers.swap(box_->wakers);
    box_->bytes = 0;
  }
  for (const Waker& waker : wakers) waker.Wake();
  return letters;
}

SchemaPtr DeadLetterSchema() {
  return arrow::schema(
      {arrow::field("source", arrow::utf8()), arrow::field("position", arrow::utf8()),
       arrow::field("error", arrow::utf8()), arrow::field("payload", arrow::utf8())});
}

Result<std::shared_ptr<arrow::RecordBatch>> DeadLetterRows(std::span<const DeadLetter> letters,
                                                           arrow::MemoryPool* pool) {
  arrow::StringBuilder sources(pool), positions(pool), errors(pool), payloads(pool);
  for (const DeadLetter& letter : letters) {
    ARROW_RETURN_NOT_OK(sources.Append(letter.source));
    ARROW_RETURN_NOT_OK(positions.Append(letter.position));
    ARROW_RETURN_NOT_OK(errors.Append(AsText(letter.error)));
    ARROW_RETURN_NOT_OK(payloads.Append(AsText(letter.payload)));
  }
  arrow::ArrayVector columns;
  for (arrow::StringBuilder* builder : {&sources, &positions, &errors, &payloads}) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
  }
  return arrow::RecordBatch::Make(DeadLetterSchema(), static_cast<int64_t>(letters.size()),
                                  std::move(columns));
}

}  // namespace headrace
