// The supported opcodes of pickle protocols 2 to 5 (Python's pickletools.py, PEP 307, PEP 3154,
// PEP 574).
#pragma once

#include <cstdint>

namespace roboimi {

enum class Opcode : std::uint8_t {
  kProtocol = 0x80,
  kFrame = 0x95,
  kStop = '.',
  // Scalars.
  kNone = 'N',
  kTrue = 0x88,
  kFalse = 0x89,
  kInt4 = 'J',
  kInt2 = 'M',
  kInt1 = 'K',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kFloat = 'G',
  // Strings and bytes.
  kShortText = 0x8c,
  kText = 'X',
  kText8 = 0x8d,
  kShortString = 'U',
  kString = 'T',
  kShortBytes = 'C',
  kBytes = 'B',
  kBytes8 = 0x8e,
  kByteArray8 = 0x96,
  // Collections.
  kMark = '(',
  kEmptyList = ']',
  kEmptyDict = '}',
  kEmptySet = 0x8f,
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kFrozenSet = 0x91,
  // Filling collections.
  kAppend = 'a',
  kAppends = 'e',
  kAddItems = 0x90,
  kSetItem = 's',
  kSetItems = 'u',
  kBuild = 'b',
  // Stack and memo.
  kMemoize = 0x94,
  kPut1 = 'q',
  kPut4 = 'r',
  kGet1 = 'h',
  kGet4 = 'j',
  kDuplicate = '2',
  kPop = '0',
  kPopMark = '1',
  // Classes and calls.
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kNewObject = 0x81,
  kNewObjectEx = 0x92,
  kPersistentId = 'Q',
};

}  // namespace roboimi
