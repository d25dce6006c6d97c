// Limits along the groups of a process, in folders like those of the kernel.
#include "headrace/engine/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace headrace {
namespace {

namespace fs = std::filesystem;

class CgroupTest : public testing::Test {
 protected:
  CgroupTest() : root_(fs::path(testing::TempDir()) / "headrace-cgroup-test") {
    fs::remove_all(root_);
  }
  ~CgroupTest() override { fs::remove_all(root_); }

  void Put(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << "\n";
  }

  const fs::path root_;
};

TEST_F(CgroupTest, TheLeastOfAllGroupsAboveCounts) {
  Put("memory.max", "max");
  Put("a/memory.max", "1000");
  Put("a/b/memory.max", "3000");
  Put("a/b/c/memory.max", "max");
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "0::/a/b/c\n"), 1000);
  Put("a/b/memory.max", "500");
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "0::/a/b/c\n"), 500);
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "0::/a\n"), 1000);
}

TEST_F(CgroupTest, ARootOfAContainerHasALimitToo) {
  Put("memory.max", "700");
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "0::/\n"), 700);
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "0::/gone/below\n"), 700);
}

TEST_F(CgroupTest, TheFirstHierarchyNamesItsController) {
  Put("memory/x/memory.limit_in_bytes", "900");
  Put("memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "11:cpuset:/x\n4:cpu,memory:/x\n0::/x\n"), 900);
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "4:memory:/other\n"), 0);
}

TEST_F(CgroupTest, NothingThereIsNoLimit) {
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), ""), 0);
  EXPECT_EQ(CgroupMemoryLimit(root_.string(), "0::/a\nnonsense\n1:memory\n"), 0);
}

}  // namespace
}  // namespace headrace
