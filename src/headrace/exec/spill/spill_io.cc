// The queue of jobs, and the list of those that live.
#include "headrace/exec/spill/spill_io.h"

#include <unistd.h>

#include <map>
#include <utility>

#include "headrace/base/limits.h"

namespace headrace {
namespace {

// Bytes that wait to be written; the rest of the reserve is for those being made.
constexpr int64_t kWaitingBytesMax = kSpillReserveBytes / 2;

struct Living {
  std::mutex mutex;
  std::map<const SpillSpace*, std::weak_ptr<SpillIo>> threads;
};

Living& AllLiving() {
  static auto* living = new Living();  // outlives every session
  return *living;
}

}  // namespace

std::shared_ptr<SpillIo> SpillIo::Of(const SpillSpace& space) {
  Living& living = AllLiving();
  std::lock_guard lock(living.mutex);
  std::erase_if(living.threads, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<SpillIo>& known = living.threads[&space];
  std::shared_ptr<SpillIo> io = known.lock();
  if (io == nullptr) {
    io = std::make_shared<SpillIo>();
    known = io;
  }
  return io;
}

SpillIo::SpillIo() : owner_pid_(::getpid()), thread_([this] { Run(); }) {}

// A forked child has a copy of this object, and no such thread.
SpillIo::~SpillIo() {
  if (owner_pid_ != ::getpid()) {
    thread_.detach();
    return;
  }
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SpillIo::Submit(Job job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void SpillIo::Charge(int64_t bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return charged_ == 0 || charged_ + bytes <= kWaitingBytesMax; });
  charged_ += bytes;
}

void SpillIo::Release(int64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    charged_ -= bytes;
  }
  changed_.notify_all();
}

void SpillIo::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace headrace
