// Parts are written under one name and renamed when they are whole.
#include "headrace/connect/file/epoch_parts.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "arrow/record_batch.h"

namespace headrace {
namespace {

constexpr std::string_view kSuffix = ".part";

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool TakeNumber(std::string_view* text, int64_t* out) {
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), *out);
  text->remove_prefix(static_cast<size_t>(stop - text->data()));
  return error == std::errc() && *out >= 0;
}

}  // namespace

EpochParts::EpochParts(Vfs& vfs, const std::string& path)
    : vfs_(vfs), folder_(ParentPath(path)), prefix_("." + std::string(NameOf(path)) + ".") {}

EpochParts::~EpochParts() { (void)Abort(); }

Status EpochParts::Write(const arrow::RecordBatch& batch, const MakeEncoder& make,
                         arrow::MemoryPool* pool) {
  if (file_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(file_, vfs_.OpenForWrite(JoinPath(folder_, prefix_ + "open.part")));
    ARROW_ASSIGN_OR_RAISE(encoder_, make(batch.schema(), file_, pool));
  }
  rows_ += batch.num_rows();
  return encoder_->Write(batch);
}

Status EpochParts::Prepare(int64_t epoch) {
  if (file_ == nullptr) return Status::OK();
  ARROW_RETURN_NOT_OK(encoder_->Finish());
  encoder_.reset();
  const std::string name = fmt::format("{}epoch-{}.{}{}", prefix_, epoch, rows_, kSuffix);
  ARROW_RETURN_NOT_OK(
      vfs_.Rename(JoinPath(folder_, prefix_ + "open.part"), JoinPath(folder_, name)));
  unsynced_ = std::exchange(file_, nullptr);
  rows_ = 0;
  return Status::OK();
}

Status EpochParts::Sync() {
  const std::shared_ptr<WritableFile> file = std::exchange(unsynced_, nullptr);
  if (file == nullptr) return Status::OK();
  ARROW_RETURN_NOT_OK(file->Sync());
  ARROW_RETURN_NOT_OK(file->Close());
  return vfs_.SyncDirectory(folder_);
}

Result<std::vector<EpochPart>> EpochParts::All() const {
  std::vector<EpochPart> parts;
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> entries, vfs_.List(folder_));
  for (const FileInfo& entry : entries) {
    std::string_view name = NameOf(entry.path);
    if (!name.starts_with(prefix_ + "epoch-") || !name.ends_with(kSuffix)) continue;
    name.remove_prefix(prefix_.size() + 6);
    EpochPart part{0, 0, entry.path};
    if (!TakeNumber(&name, &part.epoch) || !name.starts_with('.')) continue;
    name.remove_prefix(1);
    if (TakeNumber(&name, &part.rows) && name == kSuffix) parts.push_back(std::move(part));
  }
  std::sort(parts.begin(), parts.end(),
            [](const EpochPart& a, const EpochPart& b) { return a.epoch < b.epoch; });
  return parts;
}

Result<std::vector<EpochPart>> EpochParts::UpTo(int64_t epoch) const {
  ARROW_ASSIGN_OR_RAISE(std::vector<EpochPart> parts, All());
  std::erase_if(parts, [&](const EpochPart& part) { return part.epoch > epoch; });
  return parts;
}

Status EpochParts::Remove(const std::vector<EpochPart>& parts) {
  for (const EpochPart& part : parts) ARROW_RETURN_NOT_OK(vfs_.Remove(part.path));
  return Status::OK();
}

Status EpochParts::DropBehind(int64_t epoch) {
  ARROW_ASSIGN_OR_RAISE(std::vector<EpochPart> parts, All());
  std::erase_if(parts, [&](const EpochPart& part) { return part.epoch <= epoch; });
  ARROW_RETURN_NOT_OK(Remove(parts));
  return vfs_.Remove(JoinPath(folder_, prefix_ + "open.part"));
}

Status EpochParts::Abort() {
  encoder_.reset();
  if (file_ == nullptr) return Status::OK();
  (void)std::exchange(file_, nullptr)->Close();
  rows_ = 0;
  return vfs_.Remove(JoinPath(folder_, prefix_ + "open.part"));
}

}  // namespace headrace
