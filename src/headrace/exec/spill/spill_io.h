// SpillIo: the thread that reads and writes the spill files of a session, so that lanes need not
// wait for the disk.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace headrace {

class SpillSpace;

/// Thread safe. Lives as long as someone holds it; then it does what it was given and ends.
class SpillIo {
 public:
  using Job = std::function<void()>;

  /// That of all who ask with the same space.
  static std::shared_ptr<SpillIo> Of(const SpillSpace& space);
  SpillIo();
  ~SpillIo();
  SpillIo(const SpillIo&) = delete;
  SpillIo& operator=(const SpillIo&) = delete;

  /// Jobs run one after the other. They must not hold this object.
  void Submit(Job job);
  /// Counts bytes that wait for a job, which releases them. Waits while there are too many.
  void Charge(int64_t bytes);
  void Release(int64_t bytes);

 private:
  void Run();

  const int owner_pid_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  int64_t charged_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace headrace
