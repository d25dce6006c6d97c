// Error kinds and the status detail that carries them.
#include "headrace/base/error.h"

#include <array>
#include <memory>

namespace headrace {
namespace {

using arrow::StatusCode;

constexpr std::array<ErrorKindInfo, 15> kErrorKinds = {{
    {ErrorKind::kInvalidArgument, "invalid_argument", StatusCode::Invalid, "domain",
     "InvalidArgumentError", "22023"},
    {ErrorKind::kSyntax, "syntax", StatusCode::Invalid, "parse", "SyntaxError", "42601"},
    {ErrorKind::kUnknownName, "unknown_name", StatusCode::KeyError, "value", "UnknownNameError",
     "42703"},
    {ErrorKind::kTypeMismatch, "type_mismatch", StatusCode::TypeError, "type", "TypeMismatchError",
     "42804"},
    {ErrorKind::kOverflow, "overflow", StatusCode::Invalid, "limit", "OverflowError", "22003"},
    {ErrorKind::kDivisionByZero, "division_by_zero", StatusCode::Invalid, "domain",
     "DivisionByZeroError", "22012"},
    {ErrorKind::kBadData, "bad_data", StatusCode::Invalid, "badmsg", "BadDataError", "22P04"},
    {ErrorKind::kIo, "io", StatusCode::IOError, "os", "IoError", "58030"},
    {ErrorKind::kNotFound, "not_found", StatusCode::IOError, "os", "NotFoundError", "58P01"},
    {ErrorKind::kStale, "stale", StatusCode::IOError, "stale", "StaleInputError", "55000"},
    {ErrorKind::kMemoryLimit, "memory_limit", StatusCode::OutOfMemory, "wsfull", "MemoryLimitError",
     "53200"},
    {ErrorKind::kCancelled, "cancelled", StatusCode::Cancelled, "stop", "CancelledError", "57014"},
    {ErrorKind::kCallback, "callback", StatusCode::UnknownError, "callback", "CallbackError",
     "38000"},
    {ErrorKind::kUnsupported, "unsupported", StatusCode::NotImplemented, "nyi", "UnsupportedError",
     "0A000"},
    {ErrorKind::kInternal, "internal", StatusCode::UnknownError, "assert", "InternalError",
     "XX000"},
}};

class KindDetail final : public arrow::StatusDetail {
 public:
  explicit KindDetail(ErrorKind kind, std::optional<TextSpan> span = std::nullopt)
      : kind_(kind), span_(span) {}
  const char* type_id() const override { return kTypeId; }
  std::string ToString() const override { return InfoOf(kind_).name; }
  ErrorKind kind() const { return kind_; }
  std::optional<TextSpan> span() const { return span_; }

  static constexpr const char* kTypeId = "headrace.error_kind";

 private:
  ErrorKind kind_;
  std::optional<TextSpan> span_;
};

const KindDetail* DetailOf(const Status& status) {
  const auto& detail = status.detail();
  if (detail == nullptr || std::string_view(detail->type_id()) != KindDetail::kTypeId) {
    return nullptr;
  }
  return static_cast<const KindDetail*>(detail.get());
}

ErrorKind KindOfCode(StatusCode code) {
  switch (code) {
    case StatusCode::OutOfMemory:
    case StatusCode::CapacityError:
      return ErrorKind::kMemoryLimit;
    case StatusCode::KeyError:
      return ErrorKind::kUnknownName;
    case StatusCode::TypeError:
      return ErrorKind::kTypeMismatch;
    case StatusCode::IOError:
      return ErrorKind::kIo;
    case StatusCode::Cancelled:
      return ErrorKind::kCancelled;
    case StatusCode::NotImplemented:
      return ErrorKind::kUnsupported;
    case StatusCode::Invalid:
    case StatusCode::IndexError:
    case StatusCode::SerializationError:
      return ErrorKind::kBadData;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

const ErrorKindInfo& InfoOf(ErrorKind kind) { return kErrorKinds[static_cast<size_t>(kind)]; }

std::span<const ErrorKindInfo> AllErrorKinds() { return kErrorKinds; }

Status MakeError(ErrorKind kind, std::string message) {
  return Status(InfoOf(kind).code, std::move(message), std::make_shared<KindDetail>(kind));
}

ErrorKind KindOf(const Status& status) {
  const KindDetail* detail = DetailOf(status);
  return detail != nullptr ? detail->kind() : KindOfCode(status.code());
}

Status WithSpan(const Status& status, TextSpan span) {
  if (status.ok() || SpanOf(status).has_value()) return status;
  const ErrorKind kind = KindOf(status);
  return Status(InfoOf(kind).code, status.message(), std::make_shared<KindDetail>(kind, span));
}

std::optional<TextSpan> SpanOf(const Status& status) {
  const KindDetail* detail = DetailOf(status);
  return detail != nullptr ? detail->span() : std::nullopt;
}

Status WithContext(const Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  const ErrorKind kind = KindOf(status);
  return Status(InfoOf(kind).code, fmt::format("{}{}", prefix, status.message()),
                std::make_shared<KindDetail>(kind, SpanOf(status)));
}

}  // namespace headrace
