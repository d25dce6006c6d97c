// AtomicFile under every single failure and crash: whole or not at all, and nothing left behind.
#include "headrace/io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "arrow/buffer.h"
#include "headrace/base/fault.h"
#include "headrace/base/test_status.h"
#include "headrace/io/memory_vfs.h"

namespace headrace {
namespace {

constexpr const char* kOld = "old content";
const std::string kNew(700'000, 'n');  // several buffers

Status WriteAtomically(Vfs& vfs, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, AtomicFile::Make(vfs, path));
  for (size_t i = 0; i < kNew.size(); i += 100'000) {
    ARROW_RETURN_NOT_OK(file->stream()->Write(kNew.data() + i, 100'000));
  }
  return file->Commit();
}

Status PutOld(Vfs& vfs, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, vfs.OpenForWrite(path));
  ARROW_RETURN_NOT_OK(file->Write(kOld, static_cast<int64_t>(std::strlen(kOld))));
  ARROW_RETURN_NOT_OK(file->Sync());
  ARROW_RETURN_NOT_OK(file->Close());
  return vfs.SyncDirectory(ParentPath(path));
}

std::string Content(Vfs& vfs, const std::string& path) {
  const auto file = vfs.OpenForRead(path);
  if (!file.ok()) return "missing";
  return (*(*file)->Read(10'000'000))->ToString();
}

TEST(AtomicFileTest, AppearsWholeAtCommit) {
  auto vfs = MakeMemoryVfs();
  ASSERT_OK_AND_ASSIGN(auto file, AtomicFile::Make(*vfs, "/out.csv"));
  ASSERT_OK(file->stream()->Write("hello", 5));
  EXPECT_EQ(Content(*vfs, "/out.csv"), "missing");
  ASSERT_OK_AND_ASSIGN(const auto entries, vfs->List("/"));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_TRUE(entries[0].path.starts_with("/.out.csv.")) << entries[0].path;
  EXPECT_TRUE(entries[0].path.ends_with(".part"));
  ASSERT_OK(file->Prepare());
  ASSERT_OK(file->Prepare());
  EXPECT_EQ(Content(*vfs, "/out.csv"), "missing");
  ASSERT_OK(file->Commit());
  ASSERT_OK(file->Commit());
  ASSERT_OK(file->Abort());
  EXPECT_EQ(Content(*vfs, "/out.csv"), "hello");
  EXPECT_EQ(vfs->List("/")->size(), 1u);
}

TEST(AtomicFileTest, AbortAndDropLeaveNothing) {
  auto vfs = MakeMemoryVfs();
  ASSERT_OK_AND_ASSIGN(auto file, AtomicFile::Make(*vfs, "/a"));
  ASSERT_OK(file->stream()->Write("hello", 5));
  ASSERT_OK(file->Abort());
  ASSERT_OK(file->Abort());
  ASSERT_OK_AND_ASSIGN(auto dropped, AtomicFile::Make(*vfs, "/b"));
  ASSERT_OK(dropped->Prepare());
  dropped.reset();
  EXPECT_TRUE(vfs->List("/")->empty());
}

TEST(AtomicFileTest, TwoWritersOfOneNameDoNotMeet) {
  auto vfs = MakeMemoryVfs();
  ASSERT_OK_AND_ASSIGN(auto a, AtomicFile::Make(*vfs, "/out"));
  ASSERT_OK_AND_ASSIGN(auto b, AtomicFile::Make(*vfs, "/out"));
  ASSERT_OK(a->stream()->Write("a", 1));
  ASSERT_OK(b->stream()->Write("b", 1));
  ASSERT_OK(a->Commit());
  ASSERT_OK(b->Commit());
  EXPECT_EQ(Content(*vfs, "/out"), "b");
  EXPECT_EQ(vfs->List("/")->size(), 1u);
}

TEST(AtomicFileTest, BadPathsAreNamed) {
  auto vfs = MakeMemoryVfs();
  EXPECT_ERROR(AtomicFile::Make(*vfs, "/missing/out"), kNotFound, "/missing/");
  EXPECT_ERROR(AtomicFile::Make(*vfs, ""), kInvalidArgument, "path of a file");
  EXPECT_ERROR(AtomicFile::Make(*vfs, "/d/"), kInvalidArgument, "/d/");
}

TEST(AtomicFileTest, RelativePathsWork) {
  auto vfs = MakeMemoryVfs();
  ASSERT_OK(WriteAtomically(*vfs, "out"));
  EXPECT_TRUE(Content(*vfs, "out") == kNew);
}

// Fails the k-th passage for every k and checks that the target is old or new, never between, that
// a reported success is a success, and that no part is left.
void SweepFailures(Vfs& base, const std::string& folder, std::string_view points) {
  auto vfs = MakeFaultyVfs(base);
  const std::string path = JoinPath(folder, "out");
  for (const bool had_old : {false, true}) {
    ASSERT_OK(base.Remove(path));
    if (had_old) {
      ASSERT_OK(PutOld(base, path));
    }
    fault::Count(points);
    ASSERT_OK(WriteAtomically(*vfs, path));
    const int64_t passages = fault::Disarm();
    ASSERT_GT(passages, 3);
    int failures = 0;
    for (int64_t k = 1; k <= passages; ++k) {
      SCOPED_TRACE(testing::Message() << "passage " << k << " of " << passages);
      ASSERT_OK(base.Remove(path));
      if (had_old) {
        ASSERT_OK(PutOld(base, path));
      }
      fault::Arm(points, k);
      const Status status = WriteAtomically(*vfs, path);
      fault::Disarm();
      if (!status.ok()) ++failures;
      const std::string content = Content(base, path);
      if (status.ok()) {
        EXPECT_TRUE(content == kNew);
      } else {
        EXPECT_TRUE(content == (had_old ? kOld : "missing") || content == kNew);
        EXPECT_ERROR(status, kIo, "fault point");
      }
      EXPECT_EQ(base.List(folder)->size(), content == "missing" ? 0u : 1u) << "a part is left";
    }
    // The first write into a folder also looks for what processes that are gone left there.
    const int sweeps = base.is_local() && !had_old ? 1 : 0;
    EXPECT_GE(failures, passages - sweeps) << "a failure was swallowed";
  }
}

TEST(AtomicFileSweepTest, EveryVfsCallInMemory) {
  auto vfs = MakeMemoryVfs();
  ASSERT_OK(vfs->MakeDirectories("/d"));
  SweepFailures(*vfs, "/d", "vfs.");
}

TEST(AtomicFileSweepTest, EveryPointOfItsOwn) {
  auto vfs = MakeMemoryVfs();
  ASSERT_OK(vfs->MakeDirectories("/d"));
  SweepFailures(*vfs, "/d", "atomic_file.");
}

TEST(AtomicFileSweepTest, EveryVfsCallOnDisk) {
  std::string folder = testing::TempDir() + "atomic-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  SweepFailures(LocalVfs(), folder, "vfs.");
  std::filesystem::remove_all(folder);
}

// Power fails at every passage: what was committed before stays, what was promised is there.
TEST(AtomicFileSweepTest, PowerFailureAtEveryPoint) {
  int64_t passages = 1;
  for (int64_t k = 0; k <= passages; ++k) {
    auto memory = MemoryVfs::Make();
    ASSERT_OK(memory->MakeDirectories("/d"));
    ASSERT_OK(PutOld(*memory, "/d/out"));
    auto vfs = MakeFaultyVfs(*memory);
    if (k == 0) {
      fault::Count("vfs.");
    } else {
      fault::Arm("vfs.", k);
    }
    const bool made = WriteAtomically(*vfs, "/d/out").ok();
    const int64_t seen = fault::Disarm();
    if (k == 0) passages = seen;
    memory->Crash();
    const std::string content = Content(*memory, "/d/out");
    EXPECT_TRUE(content == kOld || content == kNew) << "passage " << k;
    EXPECT_TRUE(!made || content == kNew) << "a commit that was reported is durable";
  }
}

TEST(AtomicFileTest, WhatKilledProcessesLeftIsSwept) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("headrace-sweep-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const std::string own = TemporaryPath(LocalVfs(), folder / "first");
  // A process that has ended: its number is free until the system comes round to it again.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const std::string mine = fmt::format("-{}-", ::getpid());
  const auto of = [&](pid_t process, std::string name) {
    const size_t at = own.rfind(mine);
    return own.substr(0, at) + fmt::format("-{}-", process) + std::move(name) + ".part";
  };
  const std::filesystem::path next = folder / "next";
  std::filesystem::create_directories(next);
  const auto put = [&](const std::string& path) {
    const std::string moved = next / std::filesystem::path(path).filename();
    EXPECT_TRUE(LocalVfs().OpenForWrite(moved).ok());
    return moved;
  };
  const std::string dead = put(of(child, "1")), alive = put(of(::getpid(), "2"));
  const std::string other = put("/.x.00000000-" + std::to_string(child) + "-1.part");
  ASSERT_TRUE(AtomicFile::Make(LocalVfs(), next / "out.csv").ok());
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(alive));
  EXPECT_TRUE(std::filesystem::exists(other)) << "of another host";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace headrace
