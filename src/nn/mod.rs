//! Network blocks: what the models are made of. Tensors are `[batch, channels, height, width]`.

pub mod batch;
pub mod conv_kernel;
pub mod convolution;
pub mod device;
pub mod ema;
pub mod image_pool;
pub mod init;
pub mod losses;
pub mod patch_discriminator;
pub mod resnet_generator;
pub mod workers;
