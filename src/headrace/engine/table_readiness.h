// How long queries of a job wait for the tables that they read, and what they do then.
#pragma once

#include <cstdint>
#include <optional>

namespace headrace {

/// What becomes of the queries that wait for a table when the time to wait is over.
enum class NotReady {
  kFail,   // the job fails
  kRetry,  // they wait on, a few times, each longer than the one before; then the job fails
  kGoOn,   // they start: the table has something that stands in for its rows
};

struct ReadinessTerms {
  std::optional<int64_t> wait_micros;  // since loading began; none: as long as it takes
  NotReady then = NotReady::kFail;
  // Of kRetry: the first wait beside, doubled each time.
  static constexpr int64_t kDelayMicrosMax = 30'000'000;
  int retries = 3;
  int64_t delay_micros = 1'000'000;
};

/// One table while it loads.
class TableWait {
 public:
  explicit TableWait(const ReadinessTerms& terms) : terms_(terms) {}

  /// Loading begins. Until then those that wait do so.
  void Begin(int64_t now_micros);
  bool has_begun() const { return begun_micros_ >= 0; }
  int64_t begun_micros() const { return begun_micros_; }

  enum class Answer { kWait, kGoOn, kFail };
  /// What those that wait do now. REQUIRES: the table is not loaded.
  Answer At(int64_t now_micros);
  /// Waits begun anew.
  int64_t retries() const { return retries_; }
  const ReadinessTerms& terms() const { return terms_; }

 private:
  const ReadinessTerms terms_;
  int64_t begun_micros_ = -1;
  int64_t due_micros_ = 0;
  int64_t retries_ = 0;
};

}  // namespace headrace
