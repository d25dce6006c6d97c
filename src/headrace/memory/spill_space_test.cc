// Spill space: the limit, the life of the folder, and sweeping after processes that died.
#include "headrace/memory/spill_space.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "headrace/base/test_status.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

class SpillSpaceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "spill-test-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    temp_ = pattern;
  }
  void TearDown() override { fs::remove_all(temp_); }

  std::set<std::string> Entries() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(temp_)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  static void Touch(const std::string& path) { std::ofstream(path) << "rows"; }

  std::string temp_;
};

TEST_F(SpillSpaceTest, MakesItsFolderAtTheFirstPathAndRemovesIt) {
  {
    ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
    EXPECT_TRUE(Entries().empty());
    EXPECT_EQ(space->directory(), "");
    ASSERT_OK_AND_ASSIGN(const std::string first, space->NewPath("sort"));
    ASSERT_OK_AND_ASSIGN(const std::string second, space->NewPath("sort"));
    EXPECT_NE(first, second);
    EXPECT_TRUE(first.starts_with(space->directory() + "/sort-"));
    EXPECT_EQ(Entries().size(), 1u);
    EXPECT_TRUE(Entries().begin()->starts_with(SpillSpace::kPrefix + std::to_string(::getpid())));
    struct stat info;
    ASSERT_EQ(::stat(space->directory().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
    Touch(first);
  }
  EXPECT_TRUE(Entries().empty());
}

TEST_F(SpillSpaceTest, MakesAMissingTempFolder) {
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_ + "/a/b", 1000));
  ASSERT_OK_AND_ASSIGN(const std::string path, space->NewPath("x"));
  Touch(path);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(SpillSpaceTest, TheTempFolderThatIsAFileIsAnError) {
  Touch(temp_ + "/file");
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_ + "/file", 1000));
  EXPECT_ERROR(space->NewPath("x"), kIo, temp_ + "/file");
}

TEST_F(SpillSpaceTest, ChargesUpToTheLimit) {
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
  ASSERT_OK(space->Charge(600));
  const Status refused = space->Charge(401);
  EXPECT_ERROR(refused, kMemoryLimit, "401 bytes");
  EXPECT_ERROR(refused, kMemoryLimit, "600 of the limit of 1000");
  EXPECT_ERROR(refused, kMemoryLimit, "raise spill_limit");
  EXPECT_EQ(space->used_bytes(), 600);
  ASSERT_OK(space->Charge(400));
  space->Release(1000);
  EXPECT_EQ(space->used_bytes(), 0);
  EXPECT_EQ(space->peak_bytes(), 1000);
  EXPECT_ERROR(SpillSpace::Make(temp_, -1), kInvalidArgument, "-1");
}

TEST_F(SpillSpaceTest, ThreadsGetDifferentPaths) {
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
  std::vector<std::string> paths(400);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < paths.size(); i += 4) paths[i] = *space->NewPath("p");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), paths.size());
}

TEST_F(SpillSpaceTest, LivingFoldersSurviveASweep) {
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
  ASSERT_OK_AND_ASSIGN(const std::string path, space->NewPath("x"));
  Touch(path);
  ASSERT_OK_AND_ASSIGN(auto other, SpillSpace::Make(temp_, 1000));
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(SpillSpaceTest, AKilledProcessIsSweptUp) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto space = SpillSpace::Make(temp_, 1000);
    auto path = space.ok() ? (*space)->NewPath("x") : space.status();
    if (path.ok()) Touch(*path);
    (void)!::write(ready[1], path.ok() ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  {
    ASSERT_OK_AND_ASSIGN(auto while_alive, SpillSpace::Make(temp_, 1000));
    EXPECT_EQ(Entries().size(), 1u);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(Entries().size(), 1u) << "the killed process left its folder";
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
  EXPECT_TRUE(Entries().empty());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(SpillSpaceTest, AForkedChildLeavesTheFolderToItsParent) {
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
  ASSERT_OK_AND_ASSIGN(const std::string path, space->NewPath("x"));
  Touch(path);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    space.reset();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(SpillSpaceTest, ASweepTouchesNothingElse) {
  fs::create_directories(temp_ + "/other");
  fs::create_directories(temp_ + "/headrace-spill-1-young");  // being made: no lock file yet
  Touch(temp_ + "/headrace-spill-file");
  fs::create_directory_symlink(temp_ + "/other", temp_ + "/headrace-spill-1-link");
  Touch(temp_ + "/other/lock");
  ASSERT_OK_AND_ASSIGN(auto space, SpillSpace::Make(temp_, 1000));
  EXPECT_EQ(Entries().size(), 4u);
  EXPECT_TRUE(fs::exists(temp_ + "/other/lock"));
  fs::create_directories(temp_ + "/headrace-spill-1-old");
  Touch(temp_ + "/headrace-spill-1-old/lock");
  ASSERT_OK_AND_ASSIGN(auto next, SpillSpace::Make(temp_, 1000));
  EXPECT_FALSE(fs::exists(temp_ + "/headrace-spill-1-old"));
}

}  // namespace
}  // namespace headrace
