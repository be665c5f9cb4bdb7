import type { AttentionOptions } from '../../ops/attention/options.js';
import type { RopeOptions } from '../../ops/rotary.js';
import type { MultiHeadAttention } from '../attention/multi-head-attention.js';
import type { Dropout } from '../dropout.js';
import type { Activation, FeedForward } from '../layers/feed-forward.js';
import type { LayerNorm, RMSNorm } from '../layers/norms.js';
import { Module } from '../module.js';

/** The parts that know the settings. */
interface Parts {
  attention: MultiHeadAttention;
  feedForward: FeedForward;
  norm1: LayerNorm | RMSNorm;
  dropout1: Dropout;
}

/** What can be read of a block, and of a model of equal blocks: the options of the constructor that no field has. */
export abstract class BlockSettings extends Module {
  protected abstract parts(): Parts;

  get dModel(): number {
    return this.parts().attention.dModel;
  }

  get numHeads(): number {
    return this.parts().attention.numHeads;
  }

  get numKvHeads(): number {
    return this.parts().attention.numKvHeads;
  }

  get dK(): number {
    return this.parts().attention.dK;
  }

  get dV(): number {
    return this.parts().attention.dV;
  }

  get causal(): boolean | 'top-left' {
    return this.parts().attention.causal;
  }

  get window(): AttentionOptions['window'] {
    return this.parts().attention.window;
  }

  get softcap(): number {
    return this.parts().attention.softcap;
  }

  /** With every default; undefined where nothing turns. */
  get rope(): Required<RopeOptions> | undefined {
    return this.parts().attention.rope;
  }

  get dHidden(): number {
    return this.parts().feedForward.dHidden;
  }

  get activation(): Activation {
    return this.parts().feedForward.activation;
  }

  get epsilon(): number {
    return this.parts().norm1.epsilon;
  }

  get dropout(): number {
    return this.parts().dropout1.dropout;
  }
}
