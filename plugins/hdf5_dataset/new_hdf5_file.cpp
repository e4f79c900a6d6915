#include "plugins/hdf5_dataset/new_hdf5_file.h"

#include <vector>

#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr std::size_t kMemoryStep = 16 << 20;  // bytes by which the file grows

template <typename Result>
Result checked(Result result) {
  if (result < 0) throw Error("HDF5 cannot build the episode: " + last_hdf5_message());
  return result;
}

hid_t type_of(at::ScalarType dtype) {
  return dtype == at::kByte     ? H5T_NATIVE_UINT8
         : dtype == at::kUInt16 ? H5T_NATIVE_UINT16
                                : H5T_NATIVE_FLOAT;
}

// Lets HDF5 build the contents of a file in `output`, which owns the memory.
H5FD_file_image_callbacks_t memory_in(MappedOutput& output) {
  return {
      .image_malloc = [](std::size_t size, H5FD_file_image_op_t, void* memory) -> void* {
        return static_cast<MappedOutput*>(memory)->resize(size);
      },
      .image_memcpy = nullptr,
      .image_realloc = [](void*, std::size_t size, H5FD_file_image_op_t, void* memory) -> void* {
        return static_cast<MappedOutput*>(memory)->resize(size);
      },
      .image_free = [](void*, H5FD_file_image_op_t, void*) -> herr_t { return 0; },
      .udata_copy = [](void* memory) { return memory; },
      .udata_free = [](void*) -> herr_t { return 0; },
      .udata = &output};
}

}  // namespace

NewHdf5File::NewHdf5File(const std::filesystem::path& path, const std::filesystem::path& shown_as)
    : output_(path, shown_as) {
  // HDF5 does not close a file properly after a failed write, so it never writes to the disk.
  const Hdf5Lock lock;
  const Handle access(checked(H5Pcreate(H5P_FILE_ACCESS)));
  checked(H5Pset_fapl_core(access.get(), kMemoryStep, /*backing_store=*/false));
  H5FD_file_image_callbacks_t memory = memory_in(output_);
  checked(H5Pset_file_image_callbacks(access.get(), &memory));
  const Handle creation(checked(H5Pcreate(H5P_FILE_CREATE)));
  checked(H5Pset_obj_track_times(creation.get(), false));
  file_ = Handle(checked(H5Fcreate("episode", H5F_ACC_TRUNC, creation.get(), access.get())));
}

NewHdf5File::~NewHdf5File() {
  const Hdf5Lock lock;
  file_ = Handle();
}

void NewHdf5File::group(const std::string& name) {
  const Hdf5Lock lock;
  const Handle creation(checked(H5Pcreate(H5P_GROUP_CREATE)));
  checked(H5Pset_obj_track_times(creation.get(), false));
  Handle(checked(H5Gcreate2(file_.get(), name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)));
}

Handle NewHdf5File::create(const std::string& name, at::ScalarType dtype, at::IntArrayRef shape,
                           bool has_chunks) {
  std::vector<hsize_t> sizes(shape.begin(), shape.end());
  const int rank = static_cast<int>(sizes.size());
  const Handle space(checked(H5Screate_simple(rank, sizes.data(), nullptr)));
  const Handle creation(checked(H5Pcreate(H5P_DATASET_CREATE)));
  // Time stamps would make two files of the same record differ.
  checked(H5Pset_obj_track_times(creation.get(), false));
  if (has_chunks) {
    sizes[0] = 1;
    checked(H5Pset_chunk(creation.get(), rank, sizes.data()));
  }
  return Handle(checked(H5Dcreate2(file_.get(), name.c_str(), type_of(dtype), space.get(),
                                   H5P_DEFAULT, creation.get(), H5P_DEFAULT)));
}

void NewHdf5File::write(const Handle& table, hid_t memory_space, hid_t file_space,
                        const at::Tensor& data) {
  checked(H5Dwrite(table.get(), type_of(data.scalar_type()), memory_space, file_space, H5P_DEFAULT,
                   data.const_data_ptr()));
  output_.check();
}

void NewHdf5File::table(const std::string& name, const at::Tensor& values) {
  const at::Tensor data = values.contiguous();
  const Hdf5Lock lock;
  const Handle table = create(name, data.scalar_type(), data.sizes(), /*has_chunks=*/false);
  write(table, H5S_ALL, H5S_ALL, data);
}

void NewHdf5File::add_image_table(const std::string& name, at::ScalarType dtype,
                                  at::IntArrayRef shape) {
  const Hdf5Lock lock;
  create(name, dtype, shape, /*has_chunks=*/true);
}

void NewHdf5File::write_rows(const std::string& table, std::int64_t first, const at::Tensor& rows) {
  const at::Tensor data = rows.contiguous();
  const std::vector<hsize_t> sizes(data.sizes().begin(), data.sizes().end());
  std::vector<hsize_t> start(sizes.size(), 0);
  start[0] = static_cast<hsize_t>(first);
  const Hdf5Lock lock;
  const Handle dataset(checked(H5Dopen2(file_.get(), table.c_str(), H5P_DEFAULT)));
  const Handle file_space(checked(H5Dget_space(dataset.get())));
  checked(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr, sizes.data(),
                              nullptr));
  const Handle memory_space(
      checked(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr)));
  write(dataset, memory_space.get(), file_space.get(), data);
}

void NewHdf5File::attribute(const char* name, hid_t type, const void* value) {
  const Handle space(checked(H5Screate(H5S_SCALAR)));
  const Handle attribute(
      checked(H5Acreate2(file_.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT)));
  checked(H5Awrite(attribute.get(), type, value));
}

void NewHdf5File::number(const char* name, std::uint64_t value) {
  const Hdf5Lock lock;
  attribute(name, H5T_NATIVE_UINT64, &value);
}

void NewHdf5File::number(const char* name, double value) {
  const Hdf5Lock lock;
  attribute(name, H5T_NATIVE_DOUBLE, &value);
}

void NewHdf5File::flag(const char* name, bool value) {
  const Hdf5Lock lock;
  const Handle type(checked(H5Tenum_create(H5T_NATIVE_INT8)));
  for (const std::int8_t member : {std::int8_t{0}, std::int8_t{1}}) {
    checked(H5Tenum_insert(type.get(), member != 0 ? "TRUE" : "FALSE", &member));
  }
  const std::int8_t number = value ? 1 : 0;
  attribute(name, type.get(), &number);
}

void NewHdf5File::text_attribute(const std::string& table, const char* name, const Handle& space,
                                 const std::vector<std::string>& values) {
  const Handle type(checked(H5Tcopy(H5T_C_S1)));
  checked(H5Tset_size(type.get(), H5T_VARIABLE));
  checked(H5Tset_cset(type.get(), H5T_CSET_UTF8));
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  const Handle attribute(
      checked(H5Acreate_by_name(file_.get(), table.c_str(), name, type.get(), space.get(),
                                H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)));
  checked(H5Awrite(attribute.get(), type.get(), texts.data()));
}

void NewHdf5File::text(const std::string& table, const char* name, const std::string& value) {
  const Hdf5Lock lock;
  text_attribute(table, name, Handle(checked(H5Screate(H5S_SCALAR))), {value});
}

void NewHdf5File::texts(const std::string& table, const char* name,
                        const std::vector<std::string>& values) {
  const Hdf5Lock lock;
  const hsize_t count = values.size();
  text_attribute(table, name, Handle(checked(H5Screate_simple(1, &count, nullptr))), values);
}

void NewHdf5File::finish() {
  const Hdf5Lock lock;
  checked(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
  const ssize_t size = checked(H5Fget_file_image(file_.get(), nullptr, 0));
  output_.finish(static_cast<std::size_t>(size));
}

}  // namespace roboimi::hdf5_dataset
