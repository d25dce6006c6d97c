// The contract of Vfs over LocalVfs and MemoryVfs, and what is special about each.
#include "headrace/io/vfs.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "arrow/buffer.h"
#include "headrace/base/fault.h"
#include "headrace/base/rng.h"
#include "headrace/base/test_status.h"
#include "headrace/io/memory_vfs.h"

namespace headrace {
namespace {

struct World {
  const char* name;
  bool local;
};

// A file system with an empty folder.
class VfsTest : public testing::TestWithParam<World> {
 protected:
  void SetUp() override {
    if (GetParam().local) {
      std::string pattern = testing::TempDir() + "vfs-test-XXXXXX";
      ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
      folder_ = pattern;
      vfs_ = &LocalVfs();
    } else {
      memory_ = MakeMemoryVfs();
      vfs_ = memory_.get();
      folder_ = "/folder";
      ASSERT_OK(vfs_->MakeDirectories(folder_));
    }
  }
  void TearDown() override {
    if (GetParam().local) std::filesystem::remove_all(folder_);
  }

  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }

  void Put(const std::string& path, const std::string& bytes) {
    ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForWrite(path));
    ASSERT_OK(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
    ASSERT_OK(file->Close());
  }

  std::string Get(const std::string& path) {
    auto file = vfs_->OpenForRead(path).ValueOrDie();
    return file->Read(file->GetSize().ValueOrDie()).ValueOrDie()->ToString();
  }

  std::vector<std::string> Names(const std::string& path) {
    std::vector<std::string> names;
    for (const FileInfo& info : vfs_->List(path).ValueOrDie()) {
      EXPECT_EQ(ParentPath(info.path), path);
      names.push_back(info.path.substr(path.size() + 1));
    }
    return names;
  }

  std::unique_ptr<Vfs> memory_;
  Vfs* vfs_ = nullptr;
  std::string folder_;
};

INSTANTIATE_TEST_SUITE_P(Worlds, VfsTest,
                         testing::Values(World{"local", true}, World{"memory", false}),
                         [](const auto& info) { return info.param.name; });

TEST_P(VfsTest, WritesAreReadBack) {
  Put(Path("a"), "hello");
  EXPECT_EQ(Get(Path("a")), "hello");
  Put(Path("a"), "bye");
  EXPECT_EQ(Get(Path("a")), "bye") << "opening for write truncates";
  Put(Path("empty"), "");
  EXPECT_EQ(Get(Path("empty")), "");
}

// Any mix of write sizes around the buffer's, with flushes and syncs between.
TEST_P(VfsTest, AnySequenceOfWritesKeepsTheBytes) {
  Rng rng(11);
  std::string expected;
  ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForWrite(Path("big")));
  for (int i = 0; i < 60; ++i) {
    const uint64_t sizes[] = {0, 1, rng.Below(1000), 256 * 1024 - 1, 256 * 1024, 300'000};
    const std::string part(sizes[rng.Below(6)], static_cast<char>('a' + i % 26));
    ASSERT_OK(file->Write(part.data(), static_cast<int64_t>(part.size())));
    expected += part;
    ASSERT_OK_AND_ASSIGN(const int64_t position, file->Tell());
    ASSERT_EQ(position, static_cast<int64_t>(expected.size()));
    if (rng.Below(5) == 0) {
      ASSERT_OK(file->Flush());
    }
    if (rng.Below(10) == 0) {
      ASSERT_OK(file->Sync());
    }
  }
  ASSERT_OK(file->Close());
  EXPECT_TRUE(file->closed());
  EXPECT_OK(file->Close()) << "closing twice is fine";
  EXPECT_ERROR(file->Write("x", 1), kIo, Path("big"));
  EXPECT_TRUE(Get(Path("big")) == expected);
}

TEST_P(VfsTest, AppendsBehindWhatIsKept) {
  const std::string path = Path("a");
  Put(path, "0123456789");
  ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForAppend(path, 4));
  EXPECT_EQ(file->Tell().ValueOrDie(), 4);
  ASSERT_OK(file->Write("ab", 2));
  EXPECT_EQ(file->Tell().ValueOrDie(), 6);
  ASSERT_OK(file->Sync());
  ASSERT_OK(file->Close());
  EXPECT_EQ(Get(path), "0123ab");
  ASSERT_OK_AND_ASSIGN(file, vfs_->OpenForAppend(path, 6));
  ASSERT_OK(file->Close());
  EXPECT_EQ(Get(path), "0123ab");
  EXPECT_ERROR(vfs_->OpenForAppend(path, 7), kIo, "expected at least 7 bytes, got a file of 6");
  EXPECT_ERROR(vfs_->OpenForAppend(Path("b"), 0), kNotFound, "b");
}

TEST_P(VfsTest, ReadsAtAnyPlaceAndPastTheEnd) {
  Put(Path("a"), "0123456789");
  ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForRead(Path("a")));
  EXPECT_EQ(*file->GetSize(), 10);
  const auto read = [&](int64_t position, int64_t nbytes) {
    return (*file->ReadAt(position, nbytes))->ToString();
  };
  EXPECT_EQ(read(3, 4), "3456");
  EXPECT_EQ(read(8, 100), "89");
  EXPECT_EQ(read(10, 5), "");
  EXPECT_EQ(read(99, int64_t{1} << 60), "") << "nothing is allocated for what is not there";
  EXPECT_EQ(read(0, 0), "");
  char out[4] = {};
  EXPECT_EQ(*file->ReadAt(7, 4, out), 3);
  EXPECT_EQ(std::string(out, 3), "789");
  EXPECT_ERROR(file->ReadAt(7, 4, /*allow_short_read=*/false), kIo, Path("a"));
  EXPECT_ERROR(file->ReadAt(7, 4, /*allow_short_read=*/false, out), kIo, Path("a"));
  EXPECT_ERROR(file->ReadAt(-1, 4), kIo, Path("a"));
  EXPECT_ERROR(file->ReadAt(0, -4, out), kIo, Path("a"));
  ASSERT_OK(file->Seek(2));
  EXPECT_EQ((*file->Read(3))->ToString(), "234");
  EXPECT_EQ(*file->Read(2, out), 2);
  EXPECT_EQ(*file->Tell(), 7);
  EXPECT_ERROR(file->Seek(-1), kIo, Path("a"));
  ASSERT_OK(file->Close());
  EXPECT_TRUE(file->closed());
  EXPECT_ERROR(file->ReadAt(0, 1, out), kIo, "closed");
}

TEST_P(VfsTest, ManyThreadsReadOneFile) {
  std::string bytes(100'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 % 251);
  Put(Path("a"), bytes);
  ASSERT_OK_AND_ASSIGN(auto file, vfs_->OpenForRead(Path("a")));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Rng rng(t);
      for (int i = 0; i < 500; ++i) {
        const auto position = static_cast<int64_t>(rng.Below(99'000));
        const auto part = file->ReadAt(position, 1000).ValueOrDie();
        if (part->ToString() != bytes.substr(static_cast<size_t>(position), 1000)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(VfsTest, MissingThingsAreNamed) {
  const std::string path = Path("missing");
  EXPECT_ERROR(vfs_->OpenForRead(path), kNotFound, path + ": No such file or directory");
  EXPECT_ERROR(vfs_->Stat(path), kNotFound, path);
  EXPECT_ERROR(vfs_->List(path), kNotFound, path);
  EXPECT_ERROR(vfs_->Rename(path, Path("b")), kNotFound, path);
  EXPECT_ERROR(vfs_->OpenForWrite(JoinPath(path, "x")), kNotFound, path);
  EXPECT_ERROR(vfs_->SyncDirectory(path), kNotFound, path);
  EXPECT_OK(vfs_->Remove(path));
  EXPECT_OK(vfs_->RemoveTree(path));
}

TEST_P(VfsTest, FoldersAreNotFiles) {
  ASSERT_OK(vfs_->MakeDirectories(Path("d/e")));
  Put(Path("f"), "x");
  EXPECT_FALSE(vfs_->OpenForRead(Path("d")).ok());
  EXPECT_ERROR(vfs_->OpenForWrite(Path("d")), kIo, "Is a directory");
  EXPECT_ERROR(vfs_->Remove(Path("d")), kIo, Path("d"));
  EXPECT_ERROR(vfs_->Rename(Path("f"), Path("d")), kIo, Path("d"));
  EXPECT_ERROR(vfs_->MakeDirectories(Path("f")), kIo, "Not a directory");
}

TEST_P(VfsTest, RenameReplaces) {
  Put(Path("a"), "new");
  Put(Path("b"), "old");
  ASSERT_OK(vfs_->Rename(Path("a"), Path("b")));
  EXPECT_EQ(Get(Path("b")), "new");
  EXPECT_EQ(Names(folder_), (std::vector<std::string>{"b"}));
  ASSERT_OK(vfs_->Rename(Path("b"), Path("b")));
  EXPECT_EQ(Get(Path("b")), "new");
}

TEST_P(VfsTest, FoldersAreMadeListedRenamedAndRemoved) {
  ASSERT_OK(vfs_->MakeDirectories(Path("d/e")));
  ASSERT_OK(vfs_->MakeDirectories(Path("d/e")));
  Put(Path("d/z"), "1");
  Put(Path("d/b"), "22");
  Put(Path("d/e/x"), "3");
  EXPECT_EQ(Names(Path("d")), (std::vector<std::string>{"b", "e", "z"}));
  ASSERT_OK_AND_ASSIGN(const auto entries, vfs_->List(Path("d")));
  EXPECT_TRUE(entries[1].is_directory);
  EXPECT_EQ(entries[0].size, 2);
  ASSERT_OK(vfs_->Rename(Path("d"), Path("g")));
  EXPECT_EQ(Get(Path("g/e/x")), "3");
  EXPECT_ERROR(vfs_->Stat(Path("d")), kNotFound, Path("d"));
  ASSERT_OK(vfs_->RemoveTree(Path("g")));
  EXPECT_TRUE(Names(folder_).empty());
}

TEST_P(VfsTest, StatTellsWhenAFileIsAnotherOne) {
  Put(Path("a"), "one");
  ASSERT_OK_AND_ASSIGN(const FileInfo before, vfs_->Stat(Path("a")));
  EXPECT_EQ(before.size, 3);
  EXPECT_FALSE(before.is_directory);
  EXPECT_TRUE(*vfs_->Stat(Path("a")) == before);
  Put(Path("b"), "two");
  ASSERT_OK(vfs_->Rename(Path("b"), Path("a")));
  EXPECT_FALSE(*vfs_->Stat(Path("a")) == before);
}

TEST_P(VfsTest, GlobMatchesTheLastComponent) {
  for (const char* name :
       {"a1.csv", "a2.csv", "a10.csv", "b.csv", "a1.txt", ".a3.csv", "ä.csv", "x[1].csv"}) {
    Put(Path(name), "");
  }
  ASSERT_OK(vfs_->MakeDirectories(Path("a9.csv")));
  const auto glob = [&](const std::string& pattern) {
    std::string names;
    const auto paths = Glob(*vfs_, Path(pattern));
    if (!paths.ok()) return std::string(InfoOf(KindOf(paths.status())).name);
    for (const std::string& path : *paths) names += path.substr(folder_.size() + 1) + " ";
    return names;
  };
  EXPECT_EQ(glob("a*.csv"), "a1.csv a10.csv a2.csv ");
  EXPECT_EQ(glob("a?.csv"), "a1.csv a2.csv ");
  EXPECT_EQ(glob("?.csv"), "b.csv ä.csv ") << "? is a character, not a byte";
  EXPECT_EQ(glob("a[0-1].csv"), "a1.csv ");
  EXPECT_EQ(glob("a[!1].csv"), "a2.csv ");
  EXPECT_EQ(glob("[ab]*.csv"), "a1.csv a10.csv a2.csv b.csv ");
  EXPECT_EQ(glob("*1*v"), "a1.csv a10.csv x[1].csv ");
  EXPECT_EQ(glob("x[1].csv"), "x[1].csv ") << "a file of that very name";
  EXPECT_EQ(glob("x[[]1].csv"), "x[1].csv ");
  EXPECT_EQ(glob(".a*"), ".a3.csv ");
  EXPECT_EQ(glob("b.csv"), "b.csv ");
  EXPECT_EQ(glob("c*.csv"), "not_found");
  EXPECT_EQ(glob("c.csv"), "not_found");
  EXPECT_EQ(glob("nowhere/*.csv"), "not_found");
  EXPECT_EQ(glob("[a"), "not_found");
  EXPECT_EQ(glob("*a*a*a*a*a*a*a*a*a*b"), "not_found");
}

TEST_P(VfsTest, GlobGoesThroughFolders) {
  for (const char* name : {"a/x.csv", "a/b/x.csv", "a/b/c/y.csv", "b/x.csv", ".h/x.csv", "x.csv"}) {
    ASSERT_OK(vfs_->MakeDirectories(ParentPath(Path(name))));
    Put(Path(name), "");
  }
  const auto glob = [&](const std::string& pattern) {
    std::string names;
    const auto paths = Glob(*vfs_, Path(pattern));
    if (!paths.ok()) return std::string(InfoOf(KindOf(paths.status())).name);
    for (const std::string& path : *paths) names += path.substr(folder_.size() + 1) + " ";
    return names;
  };
  EXPECT_EQ(glob("*/x.csv"), "a/x.csv b/x.csv ");
  EXPECT_EQ(glob("?/*/x.csv"), "a/b/x.csv ");
  EXPECT_EQ(glob("**/x.csv"), "a/b/x.csv a/x.csv b/x.csv x.csv ");
  EXPECT_EQ(glob("**/**/x.csv"), "a/b/x.csv a/x.csv b/x.csv x.csv ");
  EXPECT_EQ(glob("a/**"), "a/b/c/y.csv a/b/x.csv a/x.csv ");
  EXPECT_EQ(glob("**/c/*"), "a/b/c/y.csv ");
  EXPECT_EQ(glob("**/b/**/*.csv"), "a/b/c/y.csv a/b/x.csv b/x.csv ");
  EXPECT_EQ(glob("**/z.csv"), "not_found");
}

TEST(PathTest, ParentsAndJoins) {
  EXPECT_EQ(ParentPath("a/b"), "a");
  EXPECT_EQ(ParentPath("/a"), "/");
  EXPECT_EQ(ParentPath("a"), ".");
  EXPECT_EQ(ParentPath("/a/b/"), "/a");
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath(".", "b"), "b");
}

TEST(LocalVfsTest, CountsExactlyTheBytesItReads) {
  std::string path = testing::TempDir() + "count-test-XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "0123456789", 10), 10);
  ::close(fd);
  ASSERT_OK_AND_ASSIGN(auto file, LocalVfs().OpenForRead(path));
  const int64_t before = LocalBytesRead();
  ASSERT_OK(file->ReadAt(2, 3));
  EXPECT_EQ(LocalBytesRead() - before, 3);
  ASSERT_OK(file->ReadAt(8, 100));
  EXPECT_EQ(LocalBytesRead() - before, 5);
  ASSERT_OK(LocalVfs().Remove(path));
}

TEST(LocalVfsTest, AFullDeviceIsAnErrorThatStays) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  ASSERT_OK_AND_ASSIGN(auto file, LocalVfs().OpenForWrite("/dev/full"));
  EXPECT_OK(file->Write("x", 1));
  EXPECT_ERROR(file->Flush(), kIo, "cannot write /dev/full: No space left on device");
  EXPECT_ERROR(file->Write("x", 1), kIo, "/dev/full");
  EXPECT_ERROR(file->Close(), kIo, "/dev/full");
  EXPECT_TRUE(file->closed());
}

// ---- Crashes of MemoryVfs ----

class CrashTest : public testing::Test {
 protected:
  std::shared_ptr<WritableFile> Write(const std::string& path, const std::string& bytes) {
    auto file = vfs_->OpenForWrite(path).ValueOrDie();
    EXPECT_OK(file->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
    return file;
  }
  std::string Get(const std::string& path) {
    const auto file = vfs_->OpenForRead(path);
    return file.ok() ? (*(*file)->Read(1000))->ToString() : "missing";
  }

  std::unique_ptr<MemoryVfs> vfs_ = MemoryVfs::Make();
};

TEST_F(CrashTest, BytesNeedSyncAndNamesNeedTheFolder) {
  ASSERT_OK(Write("/both", "x")->Sync());
  ASSERT_OK(vfs_->SyncDirectory("/"));
  ASSERT_OK(Write("/no_name", "x")->Sync());
  Write("/nothing", "x");
  vfs_->Crash();
  EXPECT_EQ(Get("/both"), "x");
  EXPECT_EQ(Get("/no_name"), "missing");
  EXPECT_EQ(Get("/nothing"), "missing");
}

TEST_F(CrashTest, ANameWithoutSyncedBytesIsAnEmptyFile) {
  Write("/a", "unsynced");
  ASSERT_OK(vfs_->SyncDirectory("/"));
  vfs_->Crash();
  EXPECT_EQ(Get("/a"), "");
}

TEST_F(CrashTest, BytesAfterTheLastSyncAreLost) {
  const auto file = Write("/a", "first");
  ASSERT_OK(file->Sync());
  ASSERT_OK(vfs_->SyncDirectory("/"));
  ASSERT_OK(file->Write("second", 6));
  EXPECT_EQ(Get("/a"), "firstsecond");
  vfs_->Crash();
  EXPECT_EQ(Get("/a"), "first");
  EXPECT_OK(file->Write("third", 5));
  EXPECT_EQ(Get("/a"), "first") << "a file that was open writes into the void";
}

TEST_F(CrashTest, AppendsNeedSyncToo) {
  ASSERT_OK(Write("/a", "0123")->Sync());
  ASSERT_OK(vfs_->SyncDirectory("/"));
  ASSERT_OK_AND_ASSIGN(const auto file, vfs_->OpenForAppend("/a", 2));
  ASSERT_OK(file->Write("x", 1));
  EXPECT_EQ(Get("/a"), "01x");
  vfs_->Crash();
  EXPECT_EQ(Get("/a"), "0123");
}

TEST_F(CrashTest, RenamesAndRemovalsComeBack) {
  ASSERT_OK(Write("/a", "new")->Sync());
  ASSERT_OK(Write("/b", "old")->Sync());
  ASSERT_OK(Write("/c", "kept")->Sync());
  ASSERT_OK(vfs_->SyncDirectory("/"));
  ASSERT_OK(vfs_->Rename("/a", "/b"));
  ASSERT_OK(vfs_->Remove("/c"));
  vfs_->Crash();
  EXPECT_EQ(Get("/b"), "old");
  EXPECT_EQ(Get("/a"), "new");
  EXPECT_EQ(Get("/c"), "kept");
  ASSERT_OK(vfs_->Rename("/a", "/b"));
  ASSERT_OK(vfs_->SyncDirectory("/"));
  vfs_->Crash();
  EXPECT_EQ(Get("/b"), "new");
  EXPECT_EQ(Get("/a"), "missing");
}

// ---- FaultyVfs ----

TEST(FaultyVfsTest, EveryCallCanFail) {
  auto memory = MakeMemoryVfs();
  auto vfs = MakeFaultyVfs(*memory);
  ASSERT_OK(vfs->MakeDirectories("/d"));
  const auto all = [&]() -> Status {
    ARROW_RETURN_NOT_OK(vfs->MakeDirectories("/d"));
    ARROW_ASSIGN_OR_RAISE(auto out, vfs->OpenForWrite("/d/a"));
    ARROW_RETURN_NOT_OK(out->Write("abcd", 4));
    ARROW_RETURN_NOT_OK(out->Flush());
    ARROW_RETURN_NOT_OK(out->Sync());
    ARROW_RETURN_NOT_OK(out->Close());
    ARROW_RETURN_NOT_OK(vfs->OpenForAppend("/d/a", 4));
    ARROW_RETURN_NOT_OK(vfs->SyncDirectory("/d"));
    ARROW_RETURN_NOT_OK(vfs->Stat("/d/a"));
    ARROW_RETURN_NOT_OK(vfs->List("/d"));
    ARROW_ASSIGN_OR_RAISE(auto in, vfs->OpenForRead("/d/a"));
    ARROW_RETURN_NOT_OK(in->Read(1));
    ARROW_RETURN_NOT_OK(in->ReadAt(0, 2));
    ARROW_RETURN_NOT_OK(in->Close());
    ARROW_RETURN_NOT_OK(vfs->Rename("/d/a", "/d/b"));
    ARROW_RETURN_NOT_OK(vfs->Remove("/d/b"));
    return vfs->RemoveTree("/d");
  };
  fault::Count("vfs.");
  ASSERT_OK(all());
  const int64_t calls = fault::Disarm();
  EXPECT_EQ(calls, 17);
  for (int64_t k = 1; k <= calls; ++k) {
    fault::Arm("vfs.", k);
    EXPECT_ERROR(all(), kIo, "fault point vfs.");
    fault::Disarm();
  }
}

TEST(FaultyVfsTest, AFailingWriteLeavesHalfOfItsBytes) {
  auto memory = MakeMemoryVfs();
  auto vfs = MakeFaultyVfs(*memory);
  ASSERT_OK_AND_ASSIGN(auto file, vfs->OpenForWrite("/a"));
  fault::Arm("vfs.write", 1);
  EXPECT_FALSE(file->Write("abcd", 4).ok());
  fault::Disarm();
  EXPECT_EQ(memory->Stat("/a")->size, 2);
}

}  // namespace
}  // namespace headrace
