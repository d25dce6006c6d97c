// Names of states.
#include "headrace/engine/job_status.h"

namespace headrace {

const char* NameOf(JobTableStatus::State state) {
  switch (state) {
    case JobTableStatus::State::kWaiting:
      return "waiting";
    case JobTableStatus::State::kLoading:
      return "loading";
    case JobTableStatus::State::kReady:
      return "ready";
    case JobTableStatus::State::kFailed:
      return "failed";
  }
  return "";
}

const char* NameOf(JobQueryStatus::State state) {
  switch (state) {
    case JobQueryStatus::State::kWaiting:
      return "waiting";
    case JobQueryStatus::State::kRunning:
      return "running";
    case JobQueryStatus::State::kLoaded:
      return "loaded";
    case JobQueryStatus::State::kEnded:
      return "ended";
    case JobQueryStatus::State::kFailed:
      return "failed";
  }
  return "";
}

const char* NameOf(JobStatus::State state) {
  switch (state) {
    case JobStatus::State::kStarting:
      return "starting";
    case JobStatus::State::kRunning:
      return "running";
    case JobStatus::State::kStopping:
      return "stopping";
    case JobStatus::State::kStopped:
      return "stopped";
    case JobStatus::State::kEnded:
      return "ended";
    case JobStatus::State::kFailed:
      return "failed";
  }
  return "";
}

}  // namespace headrace
