// The mutation loop of fuzz targets. A child process runs the inputs and leaves each, before it is
// run, in memory shared with its parent; so whatever ends the child – a signal, a sanitizer, a
// hang – the parent has the input, makes it smaller and reports it.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <optional>
#include <thread>

#include "fuzz.h"
#include "mutate.h"

// Sanitizers read this at the start.
extern "C" const char* __asan_default_options() {
  return "max_allocation_size_mb=1000:quarantine_size_mb=32";
}

namespace headrace::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: %s [--seconds N] [--runs N] [--seed S] [--timeout N] [--failures FOLDER] [FILE…]\n"
    "  makes and runs inputs for N seconds (10) or N runs, whichever ends first; a failing input\n"
    "  goes to a file in FOLDER (that of the executable). With FILEs runs only them.\n";
constexpr double kReduceSeconds = 20;
constexpr uint64_t kMemoryMax = uint64_t{2} << 30;  // of the child
constexpr size_t kHexBytesMax = 2048;

struct Options {
  std::string name;
  uint64_t seed = 1;
  uint64_t runs = 0;      // 0: no limit
  uint64_t seconds = 0;   // 0: no limit
  uint64_t timeout = 30;  // seconds for one input
  std::string failures;
  std::vector<std::string> files;
};

/// What parent and child share.
struct Shared {
  std::atomic<uint64_t> number{0};  // of the input that runs
  std::atomic<uint64_t> size{0};
  std::atomic<bool> finished{false};
  char bytes[kInputBytesMax];

  std::string input() const { return {bytes, size.load()}; }
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// On the heap and of the exact size, so that a read past it is seen.
void RunInput(std::string_view input) {
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void RunShared(std::string_view input, Shared* shared) {
  std::copy(input.begin(), input.end(), shared->bytes);
  shared->size = input.size();
  RunInput(input);
}

void RunInputs(const Options& options, Shared* shared) {
  const Mutator mutator(Seeds(), Tokens(), options.seed);
  const Clock::time_point start = Clock::now();
  uint64_t number = 0;
  while ((options.runs == 0 || number < options.runs) &&
         (options.seconds == 0 || SecondsSince(start) < static_cast<double>(options.seconds))) {
    const std::string input = mutator.MakeInput(number);
    Expect(input.size() <= kInputBytesMax, "seeds are at most kInputBytesMax long");
    shared->number = number++;
    RunShared(input, shared);
  }
  std::printf("%s: %llu inputs in %.1f s, seed %llu\n", options.name.c_str(),
              static_cast<unsigned long long>(number), SecondsSince(start),
              static_cast<unsigned long long>(options.seed));
  shared->finished = true;
}

std::string Describe(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

/// Bytes of memory that `process` holds.
uint64_t MemoryOf(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  uint64_t total_pages = 0, resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string Kill(pid_t child, std::string why) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return why;
}

/// Waits for `child` as long as it starts a new input every `timeout` seconds and is not too large.
/// How it failed, if so.
std::optional<std::string> Watch(pid_t child, const Shared& shared, uint64_t timeout) {
  uint64_t last_number = 0;
  Clock::time_point last_change = Clock::now();
  std::chrono::microseconds pause{200};
  while (true) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      return status == 0 ? std::nullopt : std::optional(Describe(status));
    }
    if (shared.number != last_number) {
      last_number = shared.number;
      last_change = Clock::now();
    } else if (SecondsSince(last_change) > static_cast<double>(timeout)) {
      return Kill(child, "no end after " + std::to_string(timeout) + " s");
    }
    if (MemoryOf(child) > kMemoryMax) return Kill(child, "more than 2 GiB of memory");
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(20'000));
  }
}

/// Runs `work` in a child. How it failed, if so.
template <typename Work>
std::optional<std::string> InChild(const Shared& shared, uint64_t timeout, bool quiet, Work work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  Expect(child >= 0, "a process can be started");
  if (child > 0) return Watch(child, shared, timeout);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (quiet && std::freopen("/dev/null", "w", stderr) == nullptr) std::_Exit(3);
  work();
  std::exit(0);  // not quick: leaks are looked for at the end
}

bool Fails(const std::string& input, Shared* shared, uint64_t timeout) {
  return InChild(*shared, timeout, true, [&] { RunShared(input, shared); }).has_value();
}

/// A part of `input` that fails as well; not the smallest, but what is found in kReduceSeconds.
std::string Reduce(std::string input, const Options& options, Shared* shared) {
  const Clock::time_point start = Clock::now();
  const auto in_time = [&] { return SecondsSince(start) < kReduceSeconds; };
  for (size_t length = std::max<size_t>(1, input.size() / 2); length > 0; length /= 2) {
    for (size_t at = 0; at < input.size() && in_time();) {
      std::string shorter = input;
      shorter.erase(at, length);
      if (Fails(shorter, shared, std::min<uint64_t>(options.timeout, 5))) {
        input = std::move(shorter);
      } else {
        at += length;
      }
    }
  }
  return input;
}

void PrintHex(const std::string& input) {
  for (size_t i = 0; i < std::min(input.size(), kHexBytesMax); ++i) {
    std::printf("%02x%s", static_cast<unsigned char>(input[i]), i % 32 == 31 ? "\n" : "");
  }
  std::printf("%s\n", input.size() > kHexBytesMax ? "…" : "");
}

void Report(const Options& options, const std::string& how, Shared* shared) {
  const uint64_t number = shared->number;
  const std::string original = shared->input();
  std::printf("%s: FAILED (%s) at input %llu of seed %llu\n", options.name.c_str(), how.c_str(),
              static_cast<unsigned long long>(number),
              static_cast<unsigned long long>(options.seed));
  if (shared->finished) {
    std::printf("after the last input, as leaks do; --runs finds which input it is\n");
    return;
  }
  std::fflush(stdout);
  const std::string input = Reduce(original, options, shared);
  const std::string path = options.failures + "/" + options.name + ".failure";
  std::ofstream(path, std::ios::binary) << input;
  std::printf("%zu of its %zu bytes fail too; they are in %s:\n", input.size(), original.size(),
              path.c_str());
  PrintHex(input);
}

int RunFiles(const Options& options) {
  for (const std::string& path : options.files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot read %s\n", options.name.c_str(), path.c_str());
      return 2;
    }
    RunInput(std::string(std::istreambuf_iterator<char>(file), {}));
    std::printf("%s: %s passes\n", options.name.c_str(), path.c_str());
  }
  return 0;
}

bool ParseNumber(std::string_view text, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseOption(std::string_view option, const char* value, Options* options) {
  if (value == nullptr) return false;
  if (option == "--seconds") return ParseNumber(value, &options->seconds);
  if (option == "--runs") return ParseNumber(value, &options->runs);
  if (option == "--seed") return ParseNumber(value, &options->seed);
  if (option == "--timeout") return ParseNumber(value, &options->timeout);
  if (option == "--failures") options->failures = value;
  return option == "--failures";
}

bool ParseOptions(int argc, char** argv, Options* options) {
  const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe");
  options->name = executable.filename().string();
  options->failures = executable.parent_path().string();
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] != '-') {
      options->files.emplace_back(argv[i]);
    } else if (!ParseOption(argv[i], argv[i + 1], options)) {
      return false;
    } else {
      ++i;
    }
  }
  if (options->seconds == 0 && options->runs == 0) options->seconds = 10;
  return true;
}

/// Starts anew where the environment is not as it should be: Arrow's own allocators keep the
/// sanitizer from seeing reads past a buffer, and their threads make it unsafe to fork.
void SetEnvironment(char** argv) {
  constexpr const char* kThreads = "JE_ARROW_MALLOC_CONF";
  if (std::getenv(kThreads) != nullptr) return;
  setenv(kThreads, "background_thread:false", 1);
  setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 1);
  execv("/proc/self/exe", argv);
}

}  // namespace

int Main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, &options)) {
    std::fprintf(stderr, kUsage, argv[0]);
    return 2;
  }
  SetEnvironment(argv);
  if (!options.files.empty()) return RunFiles(options);
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Expect(memory != MAP_FAILED, "memory can be shared");
  Shared* shared = new (memory) Shared;
  const auto how = InChild(*shared, options.timeout, false, [&] { RunInputs(options, shared); });
  if (!how) return 0;
  Report(options, *how, shared);
  return 1;
}

}  // namespace headrace::fuzz

int main(int argc, char** argv) { return headrace::fuzz::Main(argc, argv); }
