// SyncedSink: a sink of jobs that leaves waiting for the disk to a call of its own.
#pragma once

#include <cstdint>

#include "headrace/base/error.h"

namespace headrace {

/// Prepare(e) says what belongs to the epoch, Sync(e) makes it outlive the machine: between them,
/// and until Commit(e) has ended, a job writes what is epoch e + 1, on another thread. A sink that
/// is none is durable after Prepare. Mixed into a Sink.
class SyncedSink {
 public:
  virtual ~SyncedSink() = default;
  virtual Status Sync(int64_t epoch) = 0;
};

}  // namespace headrace
